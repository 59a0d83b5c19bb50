//! Histories, on one server.

use broker::{Broker as _, BrokerEvent, PublishTerms, Version};
use model::{HistoryPage, HistoryRange, Position, Refusal};

use crate::rig::{Rig, channel, kept, rules, run, unkept};
use crate::server::Server;

const ALL: HistoryRange = HistoryRange { since: None, limit: 100, reverse: false };

impl Rig {
    pub(crate) async fn read(&mut self, name: &str, range: HistoryRange) -> Result<HistoryPage, Refusal> {
        let wanted = self.ticket();
        self.broker.read(wanted, &channel(name), rules(), range);
        self.page(wanted).await
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

#[test]
fn publications_with_history_get_positions_and_can_be_read() {
    check_history(&Server::start(&[]));
}

#[test]
fn a_user_who_may_not_use_functions_gets_the_same_from_scripts() {
    let server = Server::start(&[]);
    server.cli(&["ACL", "SETUSER", "default", "-fcall", "-fcall_ro", "-function"]);
    check_history(&server);
    assert!(server.cli(&["INFO", "commandstats"]).contains("cmdstat_evalsha:calls="));
    assert!(!server.cli(&["INFO", "commandstats"]).contains("cmdstat_fcall:calls=1,usec=1,"));
}

fn check_history(server: &Server) {
    run(async {
        let mut rig = Rig::new(&server.config());
        rig.join("news").await;
        let empty = rig.read("news", ALL).await.expect("an answer");
        assert_eq!((empty.top.offset, empty.entries.len()), (0, 0));
        let epoch = empty.top.epoch;
        for offset in 1..=3 {
            let position = rig.publish("news", &offset.to_string(), kept()).await.expect("an answer");
            assert_eq!(position, Some(Position { epoch, offset }));
            assert_eq!(rig.publication("news").await, (offset.to_string(), Some(offset), false));
        }
        let page = rig.read("news", ALL).await.expect("an answer");
        assert_eq!((page.top, offsets(&page)), (Position { epoch, offset: 3 }, vec![1, 2, 3]));
        assert_eq!(page.entries[2].publication.payload.as_bytes(), b"3");
        let since = HistoryRange { since: Some(1), limit: 1, reverse: false };
        assert_eq!(offsets(&rig.read("news", since).await.expect("an answer")), [2]);
        let back = HistoryRange { since: None, limit: 2, reverse: true };
        assert_eq!(offsets(&rig.read("news", back).await.expect("an answer")), [3, 2]);
        removes_and_renews(&mut rig, Position { epoch, offset: 3 }).await;
    });
}

async fn removes_and_renews(rig: &mut Rig, top: Position) {
    let wanted = rig.ticket();
    rig.broker.remove_history(wanted, &channel("news"));
    rig.event("the history is dropped", |event| {
        matches!(event, BrokerEvent::Removed { ticket, outcome: Ok(()) } if *ticket == wanted).then_some(())
    })
    .await;
    let page = rig.read("news", ALL).await.expect("an answer");
    assert_eq!((page.top, page.entries.len()), (top, 0));
    let other = Position { offset: 2, ..top };
    let wanted = rig.ticket();
    rig.broker.renew_epoch(wanted, &channel("news"), rules(), other);
    assert_eq!(
        rig.page(wanted).await.expect("an answer").top,
        top,
        "another position than the one that was found"
    );
    let wanted = rig.ticket();
    rig.broker.renew_epoch(wanted, &channel("news"), rules(), top);
    let renewed = rig.page(wanted).await.expect("an answer").top;
    assert_eq!(renewed.offset, 0);
    assert_ne!(renewed.epoch, top.epoch);
}

#[test]
fn a_repetition_is_answered_with_the_position_of_what_it_repeats() {
    run(async {
        let server = Server::start(&[]);
        let mut rig = Rig::new(&server.config());
        rig.join("news").await;
        let once = || PublishTerms { idempotency_key: Some("k".into()), ..kept() };
        let first = rig.publish("news", "1", once()).await.unwrap();
        assert_eq!(rig.publish("news", "1", once()).await.unwrap(), first);
        let bare = || PublishTerms { idempotency_key: Some("k2".into()), ..unkept() };
        assert_eq!(rig.publish("news", "2", bare()).await, Ok(None));
        assert_eq!(rig.publish("news", "2", bare()).await, Ok(None));
        assert_eq!(rig.publish("news", "3", kept()).await.unwrap().unwrap().offset, 2);
        let mut seen = Vec::new();
        for _ in 0..3 {
            seen.push(rig.publication("news").await.0);
        }
        assert_eq!(seen, ["1", "2", "3"]);
    });
}

#[test]
fn what_is_not_newer_is_not_published() {
    run(async {
        let server = Server::start(&[]);
        let mut rig = Rig::new(&server.config());
        let numbered =
            |number| PublishTerms { version: Some(Version { number, epoch: "e".into() }), ..kept() };
        for (number, top) in [(5, 1), (4, 1), (5, 1), (6, 2)] {
            rig.publish("news", "1", numbered(number)).await.unwrap();
            let page = rig.read("news", ALL).await.unwrap();
            assert_eq!(page.top.offset, top, "after version {number}");
        }
    });
}

#[test]
fn a_library_that_was_dropped_is_loaded_again_and_the_call_repeated() {
    run(async {
        let server = Server::start(&[]);
        let mut rig = Rig::new(&server.config());
        rig.publish("news", "1", kept()).await.unwrap();
        server.cli(&["FUNCTION", "FLUSH"]);
        assert_eq!(rig.publish("news", "2", kept()).await.unwrap().unwrap().offset, 2);
    });
}
