//! Real servers do what tests ask of them.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use testkit::redis::{Binary, Certificates, Cluster, Connection, Options, Proxy, Reply, SLOTS, Sentinels};
use testkit::redis::{Server, valkey};
use testkit::{PATIENCE, eventually};

/// How long a paused or muted answer is waited for in vain.
const IN_VAIN: Duration = Duration::from_millis(200);
/// Makes a test's process stay until it is killed.
const HANGS: &str = "TESTKIT_REDIS_HANGS";
/// How long sentinels may take: soon after one failover they put the next one off.
const FAILOVER_PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_server_answers_as_text() {
    let server = Server::start(&Options::new());
    assert_eq!(server.url(), format!("redis://127.0.0.1:{}", server.port()));
    assert_eq!(server.command(&["SET", "key", "value"]), "OK");
    assert_eq!(server.command(&["GET", "key"]), "value");
    assert_eq!(server.command(&["GET", "nothing"]), "(nil)");
    assert_eq!(server.command(&["INCR", "number"]), "1");
    assert_eq!(server.command(&["RPUSH", "list", "a", "b"]), "2");
    assert_eq!(server.command(&["LRANGE", "list", "0", "-1"]), "a\nb");
    assert_eq!(server.command(&["EVAL", "return {1, {2, 'x'}, {}}", "0"]), "1\n2\nx\n");
    assert!(server.command(&["NOSUCH"]).starts_with("-ERR unknown command"));
    assert_eq!(server.info("role"), "master");
    assert_eq!(server.info("no_such_field"), "");
    assert_eq!(server.command_if_prompt(&["PING"]).as_deref(), Some("PONG"));
}

#[test]
fn a_connection_hears_what_is_published() {
    let server = Server::start(&Options::new());
    let mut connection = server.connection().unwrap();
    connection.command(&["SUBSCRIBE", "news"]).unwrap();
    assert_eq!(server.command(&["PUBLISH", "news", "hello"]), "1");
    let words = ["message", "news", "hello"].map(|word| Reply::Text(word.to_owned()));
    assert_eq!(connection.reply().unwrap(), Reply::Array(words.to_vec()));
}

#[test]
fn a_restart_forgets_unless_everything_is_appended() {
    for (options, kept) in [(Options::new(), "(nil)"), (Options::new().append_only(), "value")] {
        let server = Server::start(&options);
        let port = server.port();
        server.command(&["SET", "key", "value"]);
        server.kill();
        assert!(!server.is_running());
        assert!(Connection::open(port).is_err());
        assert_eq!(server.command_if_prompt(&["PING"]), None);
        server.restart();
        assert!(server.is_running());
        assert_eq!(server.port(), port);
        assert_eq!(server.command(&["GET", "key"]), kept);
    }
}

#[test]
fn a_paused_server_answers_when_it_resumes() {
    let server = Server::start(&Options::new());
    let mut connection = server.connection().unwrap();
    connection.wait_at_most(IN_VAIN).unwrap();
    server.pause();
    connection.send(&["PING"]).unwrap();
    assert!(is_timeout(&connection.reply().unwrap_err()));
    assert!(server.is_running());
    server.resume();
    connection.wait_at_most(PATIENCE).unwrap();
    assert_eq!(connection.reply().unwrap(), Reply::Text("PONG".to_owned()));
    server.pause();
    server.restart();
    assert_eq!(server.command(&["PING"]), "PONG");
}

#[test]
fn settings_users_and_bounds_of_memory_hold() {
    let options = Options::new()
        .set("maxclients", "77")
        .set("save", "")
        .user("default off")
        .user("app on >secret ~app:* &app:* +@all")
        .memory_max(2 << 20, "noeviction");
    let server = Server::start(&options);
    assert_eq!(server.command(&["CONFIG", "GET", "maxclients"]), "maxclients\n77");
    let mut connection = Connection::open(server.port()).unwrap();
    let refused = connection.command(&["GET", "app:key"]).unwrap();
    assert!(refused.to_string().starts_with("-NOAUTH"), "{refused}");
    assert_eq!(connection.command(&["AUTH", "app", "secret"]).unwrap().to_string(), "OK");
    let refused = connection.command(&["GET", "other"]).unwrap();
    assert!(refused.to_string().starts_with("-NOPERM"), "{refused}");
    let large = "x".repeat(4 << 20);
    connection.command(&["SET", "app:large", &large]).unwrap();
    let refused = connection.command(&["SET", "app:more", "x"]).unwrap();
    assert!(refused.to_string().starts_with("-OOM"), "{refused}");
}

#[test]
fn a_server_with_a_wrong_setting_fails_with_its_log() {
    let start = || Server::start(&Options::new().set("no-such-directive", "1"));
    let reason = thread::spawn(move || drop(start())).join().expect_err("the start fails");
    let text = reason.downcast_ref::<String>().expect("a text");
    assert!(text.contains("did not come up") && text.contains("no-such-directive"), "{text}");
}

#[test]
fn nothing_of_a_server_stays() {
    let server = Server::start(&Options::new());
    let directory = server.command(&["CONFIG", "GET", "dir"]).lines().nth(1).unwrap().to_owned();
    let id = server.info("process_id");
    assert!(fs::exists(&directory).unwrap());
    drop(server);
    assert!(!fs::exists(&directory).unwrap());
    assert!(!fs::exists(format!("/proc/{id}")).unwrap());
}

/// What the test below runs as a process of its own; in the suite it only starts and ends a server.
#[test]
fn a_server_lives_as_long_as_its_process() {
    let server = Server::start(&Options::new());
    if std::env::var_os(HANGS).is_some() {
        println!("\nserver {}", server.info("process_id"));
        thread::park();
    }
    assert!(server.is_running());
}

#[test]
fn a_server_ends_with_a_killed_test() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "redis::a_server_lives_as_long_as_its_process", "--nocapture"]).env(HANGS, "1");
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let id = lines.find_map(|line| Some(line.strip_prefix("server ")?.to_owned())).unwrap();
    assert!(fs::exists(format!("/proc/{id}")).unwrap());
    child.kill().unwrap();
    child.wait().unwrap();
    eventually("the server is gone", || is_gone(&id));
}

#[test]
fn tls_is_served_with_certificates_of_an_authority() {
    let server = Server::start(&Options::new().tls());
    assert_eq!(server.url(), format!("rediss://127.0.0.1:{}", server.tls_port()));
    assert_eq!(server.command(&["PING"]), "PONG");
    assert!(ping_by_tls(&server, "127.0.0.1", None));
    assert!(ping_by_tls(&server, "localhost", None));
    let other = Server::start(&Options::new().mutual_tls());
    assert!(!ping_by_tls(&other, "127.0.0.1", None), "a client without certificate is refused");
    assert!(ping_by_tls(&other, "127.0.0.1", Some(other.certificates())));
    assert!(!ping_by_tls(&other, "127.0.0.1", Some(server.certificates())), "so is one of another authority");
}

#[test]
fn valkey_serves_as_redis_does() {
    let server = Server::start(&Options::new().binary(Binary::Valkey(valkey())).tls());
    assert_eq!(server.info("server_name"), "valkey");
    assert_eq!(server.command(&["EVAL", "return 'script'", "0"]), "script");
    assert!(ping_by_tls(&server, "127.0.0.1", None));
    server.restart();
    assert_eq!(server.command(&["PING"]), "PONG");
}

#[test]
fn without_valkey_its_tests_fail_whatever_may_be_left_out() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "redis::valkey_serves_as_redis_does"]).env("FANFARE_ALLOW_SKIP", "1");
    for variable in ["VALKEY_SERVER", "FANFARE_CI_CACHE", "XDG_CACHE_HOME", "HOME", "PATH"] {
        command.env_remove(variable);
    }
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && told.contains("conformance/redis/install.sh"), "{told}");
}

#[test]
fn sentinels_name_a_new_primary_after_a_failover_and_after_a_death() {
    let group = Sentinels::start();
    let first = group.primary().port();
    assert_eq!(group.server(0).port(), first);
    assert_eq!(group.addresses().len(), 3);
    let asked = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", group.master_name()];
    assert_eq!(group.sentinel(0).command(&asked), format!("127.0.0.1\n{first}"));
    assert_eq!(group.primary().command(&["SET", "key", "value"]), "OK");
    group.primary().wait_for_replication();
    group.failover();
    let second = group.wait_for_new_primary(FAILOVER_PATIENCE).port();
    assert_ne!(second, first);
    assert_eq!(group.primary().port(), second);
    group.wait_for_replicas(PATIENCE);
    group.primary().kill();
    let third = group.wait_for_new_primary(FAILOVER_PATIENCE);
    assert_ne!(third.port(), second);
    assert_eq!(third.command(&["GET", "key"]), "value");
}

#[test]
fn a_cluster_moves_slots_and_replaces_primaries() {
    let cluster = Cluster::start();
    assert_eq!(cluster.seeds().len(), 6);
    assert_eq!(cluster.primaries(), [0, 1, 2]);
    assert_eq!((cluster.primary_of_slot(0), cluster.primary_of_slot(SLOTS - 1)), (0, 2));
    assert_eq!(cluster.replica_of(1), Some(4));
    let slot = cluster.slot_of("key");
    let from = cluster.primary_of_slot(slot);
    let to = (from + 1) % 3;
    assert_eq!(cluster.server(from).command(&["SET", "key", "value"]), "OK");

    assert_eq!(cluster.begin_migration(slot, to), from);
    assert_eq!(cluster.server(from).command(&["GET", "key"]), "value");
    cluster.move_keys(slot, from, to);
    assert!(cluster.server(from).command(&["GET", "key"]).starts_with(&format!("-ASK {slot} ")));
    cluster.finish_migration(slot, to);
    assert!(cluster.server(from).command(&["GET", "key"]).starts_with(&format!("-MOVED {slot} ")));
    assert_eq!(cluster.server(to).command(&["GET", "key"]), "value");
    cluster.migrate_slot(slot, from);
    assert_eq!(cluster.server(from).command(&["GET", "key"]), "value");
    assert_eq!(cluster.primary_of_slot(slot), from);
    cluster.wait_ok(PATIENCE);

    let replica = cluster.replica_of(from).expect("each primary has one");
    cluster.server(from).wait_for_replication();
    cluster.kill_primary(from);
    cluster.wait_ok(PATIENCE);
    assert_eq!(cluster.primary_of_slot(slot), replica);
    assert_eq!(cluster.server(replica).command(&["GET", "key"]), "value");
    cluster.server(from).restart();
    cluster.wait_ok(PATIENCE);
    assert_eq!(cluster.replica_of(replica), Some(from));
    cluster.promote(from);
    assert_eq!(cluster.primary_of_slot(slot), from);
}

#[test]
fn a_proxy_holds_back_what_it_is_told_to() {
    let server = Server::start(&Options::new());
    let proxy = Proxy::start(server.port());
    assert_eq!(proxy.url(), format!("redis://127.0.0.1:{}", proxy.port()));
    let mut connection = Connection::open(proxy.port()).unwrap();
    assert_eq!(connection.command(&["PING"]).unwrap().to_string(), "PONG");
    assert_eq!((proxy.accepted(), proxy.open()), (1, 1));

    connection.wait_at_most(IN_VAIN).unwrap();
    proxy.stall();
    assert!(is_timeout(&connection.command(&["INCR", "stalled"]).unwrap_err()));
    assert_eq!(server.command(&["EXISTS", "stalled"]), "0");
    let mut late = Connection::open(proxy.port()).unwrap();
    late.send(&["PING"]).unwrap();
    connection.wait_at_most(PATIENCE).unwrap();
    proxy.pass();
    assert_eq!(connection.reply().unwrap(), Reply::Integer(1));
    assert_eq!(late.reply().unwrap().to_string(), "PONG");

    connection.wait_at_most(IN_VAIN).unwrap();
    proxy.mute();
    assert!(is_timeout(&connection.command(&["INCR", "muted"]).unwrap_err()));
    eventually("the server has the command", || server.command(&["GET", "muted"]) == "1");
    connection.wait_at_most(PATIENCE).unwrap();
    proxy.delay(IN_VAIN);
    assert_eq!(connection.reply().unwrap(), Reply::Integer(1));
    let begin = Instant::now();
    connection.command(&["PING"]).unwrap();
    assert!(begin.elapsed() >= 2 * IN_VAIN, "each direction is delayed");
}

#[test]
fn a_proxy_severs_and_refuses() {
    let server = Server::start(&Options::new());
    let proxy = Proxy::start(server.port());
    let open = || Connection::open(proxy.port());
    let mut connection = open().unwrap();
    connection.command(&["PING"]).unwrap();
    proxy.sever();
    assert!(connection.command(&["PING"]).is_err());
    let mut held = open().unwrap();
    proxy.stall();
    held.send(&["INCR", "lost"]).unwrap();
    proxy.sever();
    assert!(!is_timeout(&held.reply().unwrap_err()));
    proxy.pass();
    let mut connection = open().unwrap();
    assert_eq!(connection.command(&["EXISTS", "lost"]).unwrap(), Reply::Integer(0));

    proxy.refuse();
    proxy.refuse();
    assert!(connection.command(&["PING"]).is_err());
    let refused = open().err().expect("nobody listens");
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    proxy.pass();
    assert_eq!(open().unwrap().command(&["PING"]).unwrap().to_string(), "PONG");
    assert_eq!(proxy.accepted(), 4);
    eventually("closed connections are forgotten", || proxy.open() == 0);
    proxy.refuse();
    let port = proxy.port();
    drop(proxy);
    assert!(TcpListener::bind(("127.0.0.1", port)).is_ok());
}

#[test]
fn a_proxy_carries_much_in_both_directions() {
    const BYTES: usize = 8 << 20;
    let server = Server::start(&Options::new());
    let proxy = Proxy::start(server.port());
    let mut connection = Connection::open(proxy.port()).unwrap();
    let large = "x".repeat(BYTES);
    assert_eq!(connection.command(&["SET", "large", &large]).unwrap().to_string(), "OK");
    assert!(connection.command(&["GET", "large"]).unwrap().to_string() == large);
    let mut raw = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
    raw.write_all(b"PING\r\nQUIT\r\n").unwrap();
    let mut answers = String::new();
    raw.read_to_string(&mut answers).unwrap();
    assert_eq!(answers, "+PONG\r\n+OK\r\n");
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// Whether a process has ended, waited for or not.
fn is_gone(id: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    status.is_empty() || status.contains("State:\tZ")
}

/// Whether a client that knows the server's authority, and the server by this name, gets an answer.
fn ping_by_tls(server: &Server, name: &str, client: Option<&Certificates>) -> bool {
    let mut command = Command::new("openssl");
    command.args([
        "s_client",
        "-quiet",
        "-verify_return_error",
        "-connect",
        &format!("{name}:{}", server.tls_port()),
    ]);
    command.args([if name == "localhost" { "-verify_hostname" } else { "-verify_ip" }, name]);
    command.arg("-CAfile").arg(server.ca_file());
    if let Some(client) = client {
        command.arg("-cert").arg(&client.client).arg("-key").arg(&client.client_key);
    }
    let streams = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = streams.spawn().expect("openssl starts");
    // Refused before it is written is as good.
    drop(child.stdin.as_mut().expect("a pipe").write_all(b"PING\r\nQUIT\r\n"));
    let output = child.wait_with_output().expect("an answer");
    String::from_utf8_lossy(&output.stdout).starts_with("+PONG")
}
