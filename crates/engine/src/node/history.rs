//! Questions about histories: those of clients and backends, and the sequencer's own.

use model::{ChannelName, ClaimedEpoch, HistoryPage, Position, Refusal};
use tokio::sync::oneshot;

use super::{Asked, Awaited, Node};
use crate::mail::{HistoryAsker, HistoryRequest, WorkerMail};

/// What the sequencer itself wants to know.
pub(super) enum Question {
    /// What is missing.
    Repair,
    /// To count anew, for what was handed on is lost.
    Renewal,
    /// Whether anything is, beyond this position.
    Compare(Position),
    /// What subscribers that were away have missed.
    Recover,
}

/// Somebody whose question is asked.
pub(super) struct Reader {
    asker: HistoryAsker,
    epoch: ClaimedEpoch,
}

impl Node {
    pub(super) fn on_answer(
        &mut self,
        asked: Asked,
        question: Question,
        outcome: Result<HistoryPage, Refusal>,
    ) {
        // Its history may have ended meanwhile.
        if !self.channel_of(asked).is_some_and(|channel| channel.keeps_history) {
            return;
        }
        match question {
            Question::Repair => self.on_repair(asked, outcome),
            Question::Renewal => self.on_renewed(asked, outcome),
            Question::Compare(then) => self.on_compared(asked, then, outcome),
            Question::Recover => self.on_recovered(asked, outcome),
        }
    }

    pub(super) fn read_history(&mut self, request: HistoryRequest) {
        let HistoryRequest { channel, rules, range, epoch, asker } = request;
        let ticket = self.await_broker(Awaited::History(Box::new(Reader { asker, epoch })));
        self.broker.read(ticket, &channel, rules, range);
    }

    pub(super) fn on_history(&mut self, reader: Reader, outcome: Result<HistoryPage, Refusal>) {
        let outcome = outcome.and_then(|page| match reader.epoch.allows(page.top.epoch) {
            true => Ok(page),
            false => Err(Refusal::UnrecoverablePosition),
        });
        match reader.asker {
            // The caller may have given up waiting.
            HistoryAsker::Api(reply) => drop(reply.send(outcome)),
            HistoryAsker::Connection { connection, request } => {
                let outcome = outcome.map(Box::new);
                self.mail(connection.worker, WorkerMail::History { connection, request, outcome }, None);
            }
        }
    }

    pub(super) fn remove_history(
        &mut self,
        channel: &ChannelName,
        reply: oneshot::Sender<Result<(), Refusal>>,
    ) {
        let ticket = self.await_broker(Awaited::Removal(reply));
        self.broker.remove_history(ticket, channel);
    }
}
