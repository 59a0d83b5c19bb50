//! Histories are read; what they promise is for the suites.

use broker::{Broker as _, BrokerEvent};
use model::{HistoryPage, HistoryRange, Mark, Position, Refusal};
use testkit::redis::{Options, Server};

use crate::rig::{Rig, channel, kept, rules, run, to};

const ALL: HistoryRange = HistoryRange { since: None, limit: 100, reverse: false };

impl Rig {
    pub(crate) async fn read(&mut self, name: &str, range: HistoryRange) -> Result<HistoryPage, Refusal> {
        let wanted = self.ticket();
        self.broker.read(wanted, &channel(name), rules(), range);
        self.page(wanted).await
    }

    async fn renew(&mut self, last: Position, mark: Option<Mark>) -> Position {
        let wanted = self.ticket();
        self.broker.renew_epoch(wanted, &channel("news"), rules(), last, mark);
        self.page(wanted).await.expect("an answer").top
    }

    async fn page(&mut self, wanted: broker::Ticket) -> Result<HistoryPage, Refusal> {
        self.event("a page of history", |event| match event {
            BrokerEvent::Read { ticket, outcome } if *ticket == wanted => Some(outcome.clone()),
            BrokerEvent::Read { .. }
            | BrokerEvent::Published { .. }
            | BrokerEvent::Joined { .. }
            | BrokerEvent::Severed { .. }
            | BrokerEvent::Announced { .. }
            | BrokerEvent::Publication { .. }
            | BrokerEvent::Removed { .. } => None,
        })
        .await
    }
}

pub(crate) fn offsets(page: &HistoryPage) -> Vec<u64> {
    page.entries.iter().map(|entry| entry.offset).collect()
}

/// A failover does that: a replica that lacks the last ones takes over, and others come in their place.
#[test]
fn what_was_lost_and_numbered_again_is_told_apart_by_its_mark() {
    run(async {
        const KEYS: [&str; 2] = ["fanfare:ch:news", "fanfare:meta:news"];
        let server = Server::start(&Options::new());
        let mut rig = Rig::new(&to(&server));
        rig.publish("news", "1", kept()).await.unwrap();
        for key in KEYS {
            server.command(&["COPY", key, &format!("{key}:aside")]);
        }
        rig.publish("news", "2", kept()).await.unwrap();
        let seen = rig.read("news", ALL).await.unwrap();
        for key in KEYS {
            server.command(&["COPY", &format!("{key}:aside"), key, "REPLACE"]);
        }
        rig.publish("news", "2", kept()).await.unwrap();
        let anew = rig.read("news", ALL).await.unwrap();
        assert_eq!(anew.top, seen.top);
        assert!(anew.has_another(2, seen.mark), "{:?} and {:?}", anew.mark, seen.mark);
        rig.publish("news", "3", kept()).await.unwrap();
        let since = HistoryRange { since: Some(2), ..ALL };
        assert!(rig.read("news", since).await.unwrap().has_another(2, seen.mark), "with more since");
        let renewed = rig.renew(seen.top, seen.mark).await;
        assert_eq!((renewed.offset, renewed.epoch != seen.top.epoch), (0, true));
        assert_eq!(rig.renew(seen.top, seen.mark).await, renewed, "once");
    });
}

#[test]
fn publications_from_before_there_were_marks_are_not_compared() {
    run(async {
        let server = Server::start(&Options::new());
        let mut rig = Rig::new(&to(&server));
        let first = rig.publish("news", "1", kept()).await.unwrap().unwrap();
        server.command(&["HDEL", "fanfare:meta:news", "k"]);
        server.command(&["DEL", "fanfare:ch:news"]);
        let unmarked = r"return redis.call('XADD', KEYS[1], '1-0', 'b', '\250\1\1\0\0\0\0011')";
        server.command(&["EVAL", unmarked, "1", "fanfare:ch:news"]);
        let page = rig.read("news", ALL).await.unwrap();
        assert_eq!((page.top, page.mark, offsets(&page)), (first, None, vec![1]));
        assert_eq!(rig.renew(first, Mark::new(7)).await, first);
        let second = rig.publish("news", "2", kept()).await.unwrap().unwrap();
        let page = rig.read("news", ALL).await.unwrap();
        assert!(page.mark.is_some() && !page.has_another(1, Mark::new(7)));
        assert_eq!(rig.renew(first, Mark::new(7)).await, second);
    });
}

#[test]
fn a_library_that_was_dropped_is_loaded_again_and_the_call_repeated() {
    run(async {
        let server = Server::start(&Options::new());
        let mut rig = Rig::new(&to(&server));
        rig.publish("news", "1", kept()).await.unwrap();
        server.command(&["FUNCTION", "FLUSH"]);
        assert_eq!(rig.publish("news", "2", kept()).await.unwrap().unwrap().offset, 2);
    });
}
