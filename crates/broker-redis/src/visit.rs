//! What is asked about the members of a channel: as arguments of the library's functions, and what their replies
//! mean.

use std::sync::Arc;
use std::time::Duration;

use broker::{Attendance, Change, PresenceEvent, Ticket};
use model::{ClientId, ClientInfo, Refusal};
use redis::{Cmd, Value};

use crate::envelope::{self, Malformed};
use crate::ledger::Kind;
use crate::request::number;

/// What is asked.
#[derive(Debug, Clone)]
pub(crate) enum Visit {
    /// To be a member for so long.
    Enter {
        /// Who.
        member: Arc<ClientInfo>,
        /// How long.
        ttl: Duration,
    },
    /// To be none any longer.
    Exit(ClientId),
    /// Who the members are.
    Members {
        /// Most of them.
        limit: u32,
    },
    /// How many members there are.
    Count,
}

impl Visit {
    /// What is answered.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Enter { .. } | Self::Exit(_) => Kind::Change,
            Self::Members { .. } => Kind::Members,
            Self::Count => Kind::Count,
        }
    }

    /// The size in bytes of what is shown of a member, about.
    pub(crate) fn size(&self) -> usize {
        match self {
            // The user is sent twice: alone, and among what is shown.
            Self::Enter { member, .. } => member.user.len() + member.size(),
            Self::Exit(_) | Self::Members { .. } | Self::Count => 0,
        }
    }

    /// Appends what follows the key.
    pub(crate) fn write_args(&self, command: &mut Cmd) {
        match self {
            Self::Enter { member, ttl } => {
                let ttl = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
                command.arg(ttl).arg(member.client.to_string()).arg(&*member.user);
                command.arg(envelope::client_as_json(member));
            }
            Self::Exit(client) => drop(command.arg(client.to_string())),
            Self::Members { limit } => drop(command.arg(*limit)),
            Self::Count => {}
        }
    }

    /// What a reply means; `None` when it was not understood. Members who are none are left out.
    pub(crate) fn answer(
        &self,
        ticket: Ticket,
        reply: Value,
        payload_bytes_max: usize,
        malformed: &mut impl FnMut(Malformed),
    ) -> Option<PresenceEvent> {
        let Value::Array(parts) = reply else { return None };
        let (count, rest) = parts.split_first()?;
        let count = small(count)?;
        Some(match self {
            Self::Enter { .. } | Self::Exit(_) => {
                let change = Change { is_new: count == 1, members: small(rest.first()?)? };
                PresenceEvent::Changed { ticket, outcome: Ok(change) }
            }
            Self::Members { limit } if count > *limit => {
                PresenceEvent::Members { ticket, outcome: Err(Refusal::LimitExceeded) }
            }
            Self::Members { .. } if rest.len() > count as usize => return None,
            Self::Members { .. } => {
                let mut members = Vec::with_capacity(rest.len());
                for part in rest {
                    let Value::BulkString(shown) = part else { return None };
                    match envelope::client(shown, payload_bytes_max) {
                        Ok(member) => members.push(Arc::new(member)),
                        Err(reason) => malformed(reason),
                    }
                }
                PresenceEvent::Members { ticket, outcome: Ok(members) }
            }
            Self::Count => {
                let attendance = Attendance { clients: count, users: small(rest.first()?)? };
                PresenceEvent::Counted { ticket, outcome: Ok(attendance) }
            }
        })
    }
}

fn small(value: &Value) -> Option<u32> {
    u32::try_from(number(value)?).ok()
}
