//! Settings that change while a process runs: what a client and a backend may do changes, and nobody is thrown out.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use auth::{Algorithm, Claims, Signer};
use model::Secret;
use testkit::{Client, Metrics, PATIENCE, Process, Received, eventually, example, http};

use crate::edge::API_KEY;
use crate::user::User;

const OLD: &str = "the secret of thirty-two bytes before";
const NEW: &str = "the secret of thirty-two bytes after it";

/// A node with a settings file in a directory of its own, which is gone with it.
struct Node {
    process: Process,
    directory: PathBuf,
}

#[test]
fn what_was_added_is_there_for_the_next_command_and_what_was_removed_is_not() {
    let node = Node::start("namespaces", "");
    let mut alice = node.connect(OLD).expect("welcome");
    assert_eq!(refusal(&mut alice, "subscribe", "chat:a"), 102);
    node.reload("[namespaces.chat]\nclient_subscribe = true\n", "namespaces.chat");
    alice.subscribe("chat:a");
    assert_eq!(node.publish(API_KEY, "chat:a", "1"), (200, "{\"result\":{}}".to_owned()));
    assert_eq!(alice.publication(), ("chat:a".to_owned(), "1".to_owned()));
    assert_eq!(node.metrics().value("fanfare_deliveries_total{channel_namespace=\"chat\"}"), 1.0);
    // Another one takes no place of it, and goes before it.
    node.reload("[namespaces.aa]\nclient_subscribe = true\n", "namespaces.aa, namespaces.chat");
    assert_eq!(refusal(&mut alice, "publish", "chat:a"), 102);
    alice.subscribe("aa:a");
    assert!(node.publish(API_KEY, "chat:a", "2").1.contains("102"));
    node.publish(API_KEY, "aa:a", "3");
    assert_eq!(alice.publication(), ("aa:a".to_owned(), "3".to_owned()));
}

#[test]
fn a_key_is_changed_without_anybody_noticing() {
    let directory = directory("keys");
    // As orchestrators mount secrets: a link to a directory is swapped.
    let mount = |generation: &str, current: &str, previous: &str| {
        let held = directory.join(generation);
        fs::create_dir_all(&held).expect("a directory");
        fs::write(held.join("current"), current).expect("a file");
        fs::write(held.join("previous"), previous).expect("a file");
        let (link, draft) = (directory.join("..data"), directory.join("..draft"));
        symlink(generation, &draft).expect("a link");
        fs::rename(draft, link).expect("a link");
    };
    mount("1", OLD, "of nobody at all, but it must be long");
    for name in ["current", "previous"] {
        symlink(format!("..data/{name}"), directory.join(name)).expect("a link");
    }
    let mut command = command(&directory, &settings("").replace("hmac_secret", "#"));
    for (variable, name) in [("HMAC_SECRET", "current"), ("HMAC_SECRET_PREVIOUS", "previous")] {
        command.env(format!("FANFARE__TOKEN__{variable}_FILE"), directory.join(name));
    }
    let node =
        Node { process: Process::start(&mut command).expect("a process"), directory: directory.clone() };
    let mut alice = node.connect(OLD).expect("welcome");
    assert!(node.connect(NEW).is_none());
    mount("2", NEW, OLD);
    node.process.line("changed=token.hmac_secret, token.hmac_secret_previous");
    let mut bob = node.connect(OLD).expect("still welcome");
    let mut carol = node.connect(NEW).expect("welcome, too");
    mount("3", NEW, "of nobody at all, but it must be long");
    node.process.line("changed=token.hmac_secret_previous");
    assert!(node.connect(OLD).is_none());
    for user in [&mut alice, &mut bob, &mut carol] {
        user.subscribe("news");
    }
    let log = node.process.log();
    assert!(!log.contains("thirty-two") && !log.contains("of nobody"), "{log}");
}

#[test]
fn settings_that_cannot_be_used_change_nothing_and_are_told_by_line() {
    let node = Node::start("faults", "");
    for (text, told) in [
        ("[namespaces.chat]\nclient_subscribe = maybe\n", "fanfare.toml:16:"),
        ("[namespaces.chat]\nhistory_size = 3\n", "`namespaces.chat.history_ttl` (default): 0 is shorter"),
        ("[log]\nlevel = \"loud\"\n", "`log.level` ("),
        ("connection_limit = 4294967295\n", "unknown setting `api.connection_limit` in "),
    ] {
        node.write(text);
        node.process.signal("HUP");
        let line = node.process.line(told);
        assert!(line.contains("ERROR") && line.contains("the old ones stay"), "{line}");
        eventually("it is told", || node.metrics().value("fanfare_config_reload_ok") == 0.0);
    }
    let line = node.process.line("`log.level` (");
    assert!(line.contains("fanfare.toml:16): expected one of error, warn"), "{line}");
    // All keys are gone: nobody could connect.
    put(&node.file(), "");
    node.process.signal("HUP");
    let line = node.process.line("no token key is configured");
    assert!(line.contains("fanfare.toml"), "{line}");
    // What could keep its reader waiting is not read again.
    fs::remove_file(node.file()).expect("it is there");
    assert!(Command::new("mkfifo").arg(node.file()).status().expect("a pipe").success());
    node.process.signal("HUP");
    node.process.line("it is no regular file");
    fs::remove_file(node.file()).expect("it is there");
    node.connect(OLD).expect("welcome, as before");
    assert!(node.metrics().value("fanfare_config_reloads_total{outcome=\"refused\"}") >= 5.0);
    node.reload("[redis]\nurl = \"redis://127.0.0.1:1\"\n", "nothing");
    let line = node.process.line("takes effect after a restart");
    assert!(line.contains("WARN") && line.ends_with("takes effect after a restart: redis.url"), "{line}");
    let metrics = node.metrics();
    let [ok, waits] = ["fanfare_config_reload_ok", "fanfare_config_restart_needed"];
    assert_eq!((metrics.value(ok), metrics.value(waits)), (1.0, 1.0));
    node.reload("[log]\nlevel = \"warn\"\n", "");
    assert_eq!(node.metrics().value(waits), 0.0);
}

#[test]
fn limits_origins_keys_and_the_level_of_the_log_are_taken_on() {
    let node = Node::start("limits", "[namespaces.chat]\nclient_subscribe = true\n");
    let origin = "Origin: https://example.com\r\n";
    let from_page = || Client::request(node.public(), edge::NATIVE_PATH, origin).expect("an answer");
    let mut alice = node.connect(OLD).expect("welcome");
    assert!(from_page().1.starts_with("HTTP/1.1 403 "));
    let large = format!("\"{}\"", "x".repeat(6000));
    alice.publish("news", &large);
    let limited = "[client]\npublication_size = \"4KiB\"\n[api.keys.chat]\nkey = \"of-chat\"\n\
                   allow = { namespaces = [\"chat\"] }\n[namespaces.chat]\n[log]\nlevel = \"debug\"\n";
    let text = settings(limited).replace(API_KEY, "another-key");
    put(&node.file(), &format!("allowed_origins = [\"https://example.com\"]\nconnection_limit = 2\n{text}"));
    node.process.signal("HUP");
    node.process
        .line("changed=allowed_origins, api.key, api.keys.chat, client.publication_size, connection_limit");
    assert_eq!(node.publish(API_KEY, "news", "1").0, 401);
    assert_eq!(node.publish("another-key", "news", "1").0, 200);
    assert_eq!(node.publish("of-chat", "news", "1").0, 403);
    assert_eq!(node.publish("of-chat", "chat:a", "1").0, 200);
    let reply = alice.ask(&format!("\"publish\":{{\"channel\":\"news\",\"data\":{large}}}"));
    assert_eq!(reply["error"]["code"], 106, "{reply}");
    let (mut page, head) = from_page();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    page.close(1000, "");
    assert_eq!(node.metrics().value("fanfare_connections_limit"), 2.0);
    node.process.line("connection closed by its client");
}

#[test]
fn a_drain_follows_the_settings_of_its_begin_whatever_is_asked_meanwhile() {
    let mut node = Node::start("drain", "[drain]\ndelay = \"10m\"\nwindow = \"10m\"\n");
    let mut alice = node.connect(OLD).expect("welcome");
    node.reload("[drain]\ndelay = \"2s\"\nwindow = 0\n", "drain.delay, drain.window");
    node.process.signal("TERM");
    node.process.line("draining: ");
    node.reload("[drain]\ndelay = \"10m\"\n[namespaces.late]\nclient_subscribe = true\n", "drain.delay");
    alice.subscribe("late:a");
    assert_eq!(alice.into_client().closed().0, 3001);
    assert!(node.process.ended_within(PATIENCE).is_some_and(|status| status.success()));
}

impl Node {
    fn start(name: &str, text: &str) -> Self {
        let directory = directory(name);
        let process = Process::start(&mut command(&directory, &settings(text))).expect("a process");
        process.line(" ready ");
        Self { process, directory }
    }

    fn file(&self) -> PathBuf {
        self.directory.join("fanfare.toml")
    }

    fn write(&self, text: &str) {
        put(&self.file(), &settings(text));
    }

    /// Changes the settings, and waits until the log names what changed.
    fn reload(&self, text: &str, changed: &str) {
        let applied = || self.metrics().value("fanfare_config_reloads_total{outcome=\"applied\"}");
        let before = applied();
        self.write(text);
        self.process.signal("HUP");
        eventually("settings are applied", || applied() > before);
        if !changed.is_empty() {
            self.process.line(&format!("changed={changed}"));
        }
    }

    fn public(&self) -> SocketAddr {
        self.process.address("public")
    }

    /// A user whose token this secret signed, if it is believed.
    fn connect(&self, secret: &str) -> Option<User> {
        let signer = Signer::hmac(&Secret::new(secret), Algorithm::HS256).expect("a secret");
        let token = signer.sign(&Claims::connection("alice"));
        let mut client = Client::connect(self.public(), edge::NATIVE_PATH);
        client.send(&format!("{{\"id\":1,\"connect\":{{\"token\":\"{token}\"}}}}"));
        let received = client.receive();
        if matches!(&received, Received::Text(reply) if reply.contains("\"client\"")) {
            return Some(User::new(client));
        }
        assert!(matches!(received, Received::Close(3500, _)), "{received:?}");
        None
    }

    fn publish(&self, key: &str, channel: &str, payload: &str) -> (u16, String) {
        let (key, body) =
            (format!("X-API-Key: {key}\r\n"), format!("{{\"channel\":\"{channel}\",\"data\":{payload}}}"));
        let internal = self.process.address("internal");
        let answer = http::post(internal, "/api/publish", &key, &body).expect("an answer");
        (answer.status, answer.body)
    }

    fn metrics(&self) -> Metrics {
        Metrics::scrape(self.process.address("internal"))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.directory));
    }
}

fn refusal(user: &mut User, command: &str, channel: &str) -> u64 {
    let reply = user.ask(&format!("\"{command}\":{{\"channel\":\"{channel}\",\"data\":1}}"));
    reply["error"]["code"].as_u64().unwrap_or_else(|| panic!("{reply}"))
}

fn command(directory: &Path, settings: &str) -> Command {
    let file = directory.join("fanfare.toml");
    put(&file, settings);
    let mut command = Command::new(example("faulty"));
    command.arg(file);
    command
}

/// The settings of a node, and what follows.
fn settings(text: &str) -> String {
    format!(
        "workers = 2\n[public]\naddress = \"127.0.0.1:0\"\n[internal]\naddress = \"127.0.0.2:0\"\n\
         [channels]\nclient_subscribe = true\nclient_publish = true\nsubscriber_publish = true\n\
         [token]\nhmac_secret = {OLD:?}\naudience = \"\"\n[api]\nkey = \"{API_KEY}\"\n{text}"
    )
}

/// Writes a file in one step.
fn put(file: &Path, text: &str) {
    let draft = file.with_extension("draft");
    fs::write(&draft, text).expect("a file");
    fs::rename(draft, file).expect("a file");
}

fn directory(name: &str) -> PathBuf {
    let directory =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("reload-{name}-{}", std::process::id()));
    drop(fs::remove_dir_all(&directory));
    fs::create_dir_all(&directory).expect("a directory");
    directory
}
