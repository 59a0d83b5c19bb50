//! Histories are read; what they promise is for the suites.

use broker::{Broker as _, BrokerEvent};
use model::{HistoryPage, HistoryRange, Refusal};
use testkit::redis::{Options, Server};

use crate::rig::{Rig, channel, kept, rules, run, to};

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
fn a_library_that_was_dropped_is_loaded_again_and_the_call_repeated() {
    run(async {
        let server = Server::start(&Options::new());
        let mut rig = Rig::new(&to(&server));
        rig.publish("news", "1", kept()).await.unwrap();
        server.command(&["FUNCTION", "FLUSH"]);
        assert_eq!(rig.publish("news", "2", kept()).await.unwrap().unwrap().offset, 2);
    });
}
