//! Redis turns the node away: operators are told which setting or permission it takes.

use model::Secret;
use serde_json::json;
use testkit::Process;
use testkit::redis::{Options, Server, old_server};

use crate::edge::{Setup, faulty};
use crate::follower::Follower;
use crate::nodes::{becomes_up, node, publish, readiness, says};
use crate::user::User;

const LEAST: &str = "~fanfare:* &fanfare:* +@all";

#[test]
fn a_wrong_password_is_told_and_healed_without_a_restart() {
    let server = Server::start(&Options::new().user("app on >right ~* &* +@all").user("default off"));
    let wrong = of("mistaken", &server).start();
    says(&wrong, "AUTH was refused (WRONGPASS): set redis.username and redis.password");
    let found = readiness(&wrong);
    assert_eq!(found.status, 503, "{}", found.broker);
    assert!(!found.broker.contains("mistaken"), "{}", found.broker);
    becomes_up(&of("right", &server).start());
    // Whoever sets the password right in Redis need not restart the node.
    server.command(&["ACL", "SETUSER", "app", ">mistaken"]);
    becomes_up(&wrong);
}

#[test]
fn a_command_that_the_user_may_not_use_is_named_with_the_words_to_add() {
    for (command, asked) in [
        ("subscribe", "\"subscribe\":{\"channel\":\"news\"}"),
        ("publish", "\"publish\":{\"channel\":\"news\",\"data\":1}"),
    ] {
        let user = format!("app on >right {LEAST} -{command}");
        let server = Server::start(&Options::new().user(&user).user("default off"));
        let node = logged(&server.url());
        node.line("command connection made");
        let mut alice = User::connect(node.address("public"), edge::NATIVE_PATH, "alice");
        let reply = alice.ask(asked);
        assert_eq!(reply["error"]["code"], 100, "{command}: {reply}");
        let line = node.line("NOPERM");
        assert!(line.contains(&format!("+{command} ~fanfare:* &fanfare:*")), "{line}");
        assert!(!node.log().contains("right"), "{}", node.log());
    }
}

#[test]
fn a_redis_that_is_too_old_is_told_by_its_version() {
    const TOLD: &str = "Redis 6.2 is too old: 7.0 or newer is needed";
    let line = logged(&old_server()).line(TOLD);
    assert!(line.contains(" WARN "), "{line}");
    let node = node(&old_server()).start();
    says(&node, TOLD);
    assert_eq!(readiness(&node).status, 503);
}

#[test]
fn a_node_whose_user_lacks_a_right_gets_no_traffic_until_it_is_granted() {
    let server = Server::start(&Options::new().user("app on >right").user("default off"));
    for (words, command) in [
        (&["subscribe"][..], "SUBSCRIBE"),
        (&["publish"], "PUBLISH"),
        (&["xadd"], "XADD"),
        (&["fcall", "script", "evalsha"], "FCALL"),
    ] {
        let change = |sign: &str| {
            let words = words.iter().map(|word| format!("{sign}{word}")).collect::<Vec<_>>().join(" ");
            let line = format!("ACL SETUSER app reset on >right {LEAST} {words}");
            server.command(&line.split(' ').collect::<Vec<_>>());
        };
        change("-");
        let node = of("right", &server).start();
        says(&node, &format!(" forbids {command}: add to the ACL"));
        let found = readiness(&node);
        assert_eq!(found.status, 503, "{}", found.broker);
        change("+");
        becomes_up(&node);
    }
}

#[test]
fn a_right_that_is_taken_away_takes_the_traffic_with_it() {
    let user = format!("app on >right {LEAST}");
    let server = Server::start(&Options::new().user(&user).user("default off"));
    let node = of("right", &server).start();
    becomes_up(&node);
    server.command(&["ACL", "SETUSER", "app", "-publish", "-xadd"]);
    says(&node, " forbids XADD, PUBLISH: add to the ACL");
    assert_eq!(readiness(&node).status, 503);
    server.command(&["ACL", "SETUSER", "app", "+publish", "+xadd"]);
    becomes_up(&node);
}

#[test]
fn nodes_do_without_functions_where_they_are_forbidden() {
    let user = format!("app on >right {LEAST} -fcall -fcall_ro -function");
    let server = Server::start(&Options::new().user(&user).user("default off"));
    let nodes = [(); 2].map(|()| of("right", &server).start());
    nodes.iter().for_each(becomes_up);
    let followers = nodes.each_ref().map(|node| Follower::start(node, "kept:a"));
    for number in 1..=3 {
        assert_eq!(publish(&nodes[0], "kept:a", &json!(number))["offset"], number);
    }
    for follower in &followers {
        let expected = [1, 2, 3].map(|number| (number, json!(number)));
        assert_eq!(follower.hears(3).publications, expected);
    }
}

fn of(password: &'static str, server: &Server) -> Setup {
    node(&server.url()).with(move |config| {
        config.redis.username = "app".to_owned();
        config.redis.password = Secret::new(password);
    })
}

/// A node whose log can be read.
fn logged(url: &str) -> Process {
    let login = [("FANFARE__REDIS__USERNAME", "app"), ("FANFARE__REDIS__PASSWORD", "right")];
    Process::start(faulty().env("FANFARE__REDIS__URL", url).envs(login)).expect("a process")
}
