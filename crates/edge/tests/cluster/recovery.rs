//! Who leaves one node and comes to the other misses nothing.

use serde_json::{Value, json};
use testkit::redis::{Options, Server};

use crate::nodes::{pair, publish};

#[test]
fn who_comes_back_to_another_node_gets_what_it_missed_once_and_in_order() {
    const MISSED: u64 = 50;
    let server = Server::start(&Options::new());
    for workers in [1, 4] {
        let channel = format!("kept:{workers}");
        let [a, b] = pair(&server.url(), workers);
        let mut user = a.client("alice");
        let reply = user.ask(&format!("\"subscribe\":{{\"channel\":\"{channel}\"}}"));
        let epoch = reply["subscribe"]["epoch"].clone();
        publish(&b, &channel, &json!(1));
        assert_eq!(user.push()["push"]["pub"]["offset"], 1);
        drop(user);
        for number in 2..=MISSED + 1 {
            publish([&a, &b][number as usize % 2], &channel, &json!(number));
        }
        let mut user = b.client("alice");
        let position = format!("\"recover\":true,\"offset\":1,\"epoch\":{epoch}");
        let reply = user.ask(&format!("\"subscribe\":{{\"channel\":\"{channel}\",{position}}}"));
        assert_eq!(reply["subscribe"]["recovered"], true, "{reply}");
        let missed = reply["subscribe"]["publications"].as_array().expect("publications");
        let missed: Vec<(Value, Value)> =
            missed.iter().map(|one| (one["offset"].clone(), one["data"].clone())).collect();
        let expected: Vec<(Value, Value)> =
            (2..=MISSED + 1).map(|number| (json!(number), json!(number))).collect();
        assert_eq!(missed, expected);
        publish(&a, &channel, &json!("live"));
        let push = user.push();
        assert_eq!(push["push"]["pub"]["offset"], MISSED + 2, "{push}");
        assert!(user.has_nothing());
    }
}
