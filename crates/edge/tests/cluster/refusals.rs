//! Redis turns the node away: operators are told which setting or permission it takes.

use std::process::Command;

use model::Secret;
use serde_json::json;
use testkit::redis::{Options, Server};
use testkit::{Process, example};

use crate::edge::Setup;
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
        let node = Process::start(&mut of_user(&server)).expect("a process");
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
fn of_user(server: &Server) -> Command {
    let mut command = Command::new(example("faulty"));
    command.envs([
        ("FANFARE__WORKERS", "1"),
        ("FANFARE__PUBLIC__ADDRESS", "127.0.0.1:0"),
        ("FANFARE__INTERNAL__ADDRESS", "127.0.0.2:0"),
        ("FANFARE__TOKEN__HMAC_SECRET", "a secret of thirty-two bytes or more"),
        ("FANFARE__CHANNELS__CLIENT_SUBSCRIBE", "true"),
        ("FANFARE__CHANNELS__CLIENT_PUBLISH", "true"),
        ("FANFARE__REDIS__URL", &server.url()),
        ("FANFARE__REDIS__USERNAME", "app"),
        ("FANFARE__REDIS__PASSWORD", "right"),
    ]);
    command
}
