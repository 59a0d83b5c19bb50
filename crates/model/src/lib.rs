//! The dictionary in types: what every other crate means by channel, publication, position, close reason
//! and limit. Knows no protocol, no socket and no clock.

#![forbid(unsafe_code)]

mod channel;
mod close;
mod histogram;
mod history;
mod ids;
pub mod limits;
mod publication;
mod rate;
mod refusal;
mod secret;
mod time;
mod trace;
mod units;

pub use channel::{ChannelName, ChannelNameError};
pub use close::CloseReason;
pub use histogram::Histogram;
pub use history::{
    ClaimedEpoch, Epoch, HistoryEntry, HistoryPage, HistoryRange, HistoryRules, Mark, Marks, Position, Since,
};
pub use ids::{ClientId, ConnectionId, RequestId, WorkerId};
pub use publication::{ClientInfo, Movement, Payload, PayloadError, Publication, RawJson, Tags};
pub use rate::{Rate, TokenBucket};
pub use refusal::Refusal;
pub use secret::Secret;
pub use time::{Moment, Now, UnixTime};
pub use trace::TraceParent;
pub use units::{ByteSize, Period, Ratio, UnitError};
