//! Nodes of two versions and the one library in Redis.

use broker_redis::library::{FUNCTIONS, VERSION};
use testkit::redis::{Options, Server};

use crate::rig::{Rig, kept, run, to};

#[test]
fn a_node_replaces_a_library_with_a_lower_number_and_leaves_a_higher_one() {
    run(async {
        for (number, remains) in [(VERSION - 1, VERSION), (VERSION + 1, VERSION + 1)] {
            let server = Server::start(&Options::new());
            let stated = format!("local VERSION = {VERSION}\n");
            assert_eq!(FUNCTIONS.matches(&stated).count(), 1);
            let library = FUNCTIONS.replace(&stated, &format!("local VERSION = {number}\n"));
            assert_eq!(server.command(&["FUNCTION", "LOAD", &library]), "fanfare");
            let mut rig = Rig::new(&to(&server));
            rig.until_up(true).await;
            assert!(rig.publish("news", "1", kept()).await.is_ok());
            assert_eq!(server.command(&["FCALL", "fanfare_library", "0"]), remains.to_string());
        }
    });
}
