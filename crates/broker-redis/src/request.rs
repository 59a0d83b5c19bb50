//! One thing asked of Redis: as a command, in either dialect, and what its reply means.

use broker::{BrokerEvent, PublishTerms, Ticket};
use model::{
    ChannelName, Epoch, HistoryEntry, HistoryPage, HistoryRange, HistoryRules, Mark, Moment, Position, limits,
};
use redis::{Cmd, Value};

use crate::envelope;
use crate::ledger::{Answer, Key, Kind};
use crate::library::{self, Function};
use crate::names::Names;
use crate::visit::Visit;

/// What is asked.
#[derive(Debug, Clone)]
pub(crate) enum Task {
    /// To publish without a position.
    Publish { body: Vec<u8> },
    /// To tell that somebody came or went, which has no answer.
    Announce { body: Vec<u8> },
    /// To publish by the library.
    PublishOnTerms { body: Vec<u8>, terms: Box<PublishTerms> },
    /// To read a history.
    Read { rules: HistoryRules, range: HistoryRange },
    /// To drop a history.
    Remove,
    /// To begin a new epoch.
    Renew { rules: HistoryRules, last: Position, mark: Option<Mark> },
    /// About who is there.
    Visit(Visit),
}

/// One thing asked of Redis.
#[derive(Debug)]
pub(crate) struct Request {
    /// Its place in the ledger.
    pub(crate) key: Key,
    /// The channel it is about.
    pub(crate) channel: ChannelName,
    /// What is asked.
    pub(crate) task: Task,
    /// How often it was sent without being carried out.
    pub(crate) repeats: u8,
    /// Whether it was told to ask a primary that is still taking the channel over.
    pub(crate) is_asking: bool,
}

/// How the library's functions are called.
#[derive(Debug, Clone)]
pub(crate) enum Dialect {
    /// As functions.
    Functions,
    /// As scripts, by their digests in the order of [`SCRIPTED`].
    Scripts([String; SCRIPTED.len()]),
}

/// The functions that there are as scripts.
pub(crate) const SCRIPTED: [Function; 8] = [
    library::PUBLISH,
    library::READ,
    library::REMOVE,
    library::RENEW,
    library::ENTER,
    library::EXIT,
    library::MEMBERS,
    library::COUNT,
];

impl Task {
    /// What the sequencer is answered with.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Publish { .. } | Self::PublishOnTerms { .. } => Kind::Publish,
            Self::Announce { .. } => Kind::Announce,
            Self::Read { .. } | Self::Renew { .. } => Kind::Read,
            Self::Remove => Kind::Remove,
            Self::Visit(visit) => visit.kind(),
        }
    }

    /// The size in bytes of what is sent, about.
    pub(crate) fn size(&self) -> usize {
        /// Names, numbers and lengths around a body.
        const AROUND: usize = 512;
        match self {
            Self::Publish { body } | Self::Announce { body } | Self::PublishOnTerms { body, .. } => {
                AROUND + body.len()
            }
            Self::Read { .. } | Self::Remove | Self::Renew { .. } => AROUND,
            Self::Visit(visit) => AROUND + visit.size(),
        }
    }

    fn function(&self) -> Option<usize> {
        match self {
            Self::Publish { .. } | Self::Announce { .. } => None,
            Self::PublishOnTerms { .. } => Some(0),
            Self::Read { .. } => Some(1),
            Self::Remove => Some(2),
            Self::Renew { .. } => Some(3),
            Self::Visit(Visit::Enter { .. }) => Some(4),
            Self::Visit(Visit::Exit(_)) => Some(5),
            Self::Visit(Visit::Members { .. }) => Some(6),
            Self::Visit(Visit::Count) => Some(7),
        }
    }
}

impl Request {
    /// What Redis calls the command, for logs.
    pub(crate) fn command_name(&self, names: &Names, dialect: &Dialect) -> &'static str {
        match (&self.task, dialect) {
            (Task::Publish { .. } | Task::Announce { .. }, _) => names.publish_command(),
            (_, Dialect::Functions) => "FCALL",
            (_, Dialect::Scripts(_)) => "EVALSHA",
        }
    }

    /// The command.
    pub(crate) fn command(&self, names: &Names, dialect: &Dialect) -> Cmd {
        let mut command = redis::cmd(self.command_name(names, dialect));
        let key = names.channel_key(&self.channel);
        if let Some(index) = self.task.function() {
            match dialect {
                Dialect::Functions => command.arg(SCRIPTED[index].name),
                Dialect::Scripts(digests) => command.arg(&digests[index]),
            };
            command.arg(1);
        }
        command.arg(key);
        match &self.task {
            Task::Publish { body } | Task::Announce { body } => drop(command.arg(body.as_slice())),
            Task::PublishOnTerms { body, terms } => {
                command.arg(body.as_slice());
                on_terms(terms, &mut command);
            }
            Task::Read { rules, range } => {
                by_rules(*rules, &mut command);
                let since = range.since.map(|since| since.to_string()).unwrap_or_default();
                let limit = range.limit.min(limits::HISTORY_PUBLICATIONS_MAX);
                command.arg(since).arg(limit).arg(u8::from(range.reverse));
            }
            Task::Remove => {}
            Task::Renew { rules, last, mark } => {
                let mark = mark.map_or(0, Mark::number);
                command.arg(last.epoch.number()).arg(last.offset).arg(mark);
                by_rules(*rules, &mut command);
            }
            Task::Visit(visit) => visit.write_args(&mut command),
        }
        command
    }

    /// What a reply means for the one who asked; `None` when it was not understood.
    pub(crate) fn answer(
        &self,
        ticket: Ticket,
        reply: Value,
        terms: &envelope::Terms,
        (now, unix_micros): (Moment, u64),
        malformed: &mut impl FnMut(envelope::Malformed),
    ) -> Option<Answer> {
        let event = match (&self.task, reply) {
            (Task::Visit(visit), reply) => {
                return visit.answer(ticket, reply, (terms.payload_bytes_max)(), malformed).map(Answer::from);
            }
            (Task::Publish { .. }, Value::Int(_)) => BrokerEvent::Published { ticket, outcome: Ok(None) },
            (Task::PublishOnTerms { .. }, Value::Array(parts)) => {
                let position = position(parts.first()?, parts.get(1)?)?;
                BrokerEvent::Published { ticket, outcome: Ok(position) }
            }
            (Task::Remove, Value::Int(_)) => BrokerEvent::Removed { ticket, outcome: Ok(()) },
            (Task::Read { .. } | Task::Renew { .. }, Value::Array(parts)) => {
                let (head, entries) = parts.split_at_checked(3)?;
                let epoch = u32::try_from(number(&head[0])?).ok()?;
                let top = Position { epoch: Epoch::new(epoch), offset: number(&head[1])? };
                let mark = Mark::new(u32::try_from(number(&head[2])?).ok()?);
                let mut page = HistoryPage { top, mark, entries: Vec::with_capacity(entries.len() / 2) };
                for entry in entries.chunks_exact(2) {
                    let (offset, Value::BulkString(body)) = (number(&entry[0])?, &entry[1]) else {
                        return None;
                    };
                    match envelope::open_kept(terms, &self.channel, body, now) {
                        Ok(mut opened) => {
                            opened.note_travel(unix_micros);
                            let envelope::Opened { marks, publication, .. } = opened;
                            page.entries.push(HistoryEntry { offset, marks, publication });
                        }
                        Err(reason) => malformed(reason),
                    }
                }
                BrokerEvent::Read { ticket, outcome: Ok(page) }
            }
            (
                Task::Publish { .. }
                | Task::PublishOnTerms { .. }
                | Task::Remove
                | Task::Read { .. }
                | Task::Renew { .. }
                | Task::Announce { .. },
                _,
            ) => return None,
        };
        Some(event.into())
    }
}

fn on_terms(terms: &PublishTerms, command: &mut Cmd) {
    match &terms.history {
        Some(rules) => {
            command.arg("size").arg(rules.size);
            command.arg("ttl").arg(millis(rules.ttl));
            command.arg("meta_ttl").arg(millis(rules.meta_ttl));
        }
        None => drop(command.arg("size").arg(0)),
    }
    if let Some(key) = &terms.idempotency_key {
        command.arg("key").arg(&**key);
    }
    if let Some(version) = &terms.version {
        command.arg("version").arg(version.number);
        if !version.epoch.is_empty() {
            command.arg("version_epoch").arg(&*version.epoch);
        }
    }
}

fn by_rules(rules: HistoryRules, command: &mut Cmd) {
    command.arg(rules.size).arg(millis(rules.ttl)).arg(millis(rules.meta_ttl));
}

fn millis(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Zeros stand for no position.
fn position(epoch: &Value, offset: &Value) -> Option<Option<Position>> {
    let (epoch, offset) = (u32::try_from(number(epoch)?).ok()?, number(offset)?);
    Some((epoch != 0 && offset != 0).then(|| Position { epoch: Epoch::new(epoch), offset }))
}

/// A number that is none of the negative ones.
pub(crate) fn number(value: &Value) -> Option<u64> {
    if let Value::Int(number) = value { u64::try_from(*number).ok() } else { None }
}
