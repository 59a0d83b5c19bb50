//! Two nodes over a real Redis: what one hears, the other hears; what Redis does to them, they survive. Tests
//! read as sentences; what they share is in `nodes`, `follower` and `load`.

#![expect(clippy::disallowed_methods, reason = "tests wait against the clock")]

mod away;
#[expect(dead_code, reason = "of what a collector keeps, other binaries look at more")]
#[path = "../it/collector.rs"]
mod collector;
mod coordination;
mod deaf;
mod directives;
#[expect(dead_code, reason = "of what starts a node, other binaries use more")]
#[path = "../it/edge.rs"]
mod edge;
mod faults;
mod follower;
mod forgetting;
mod hearing;
mod hostile;
mod latency;
mod load;
mod nodes;
mod presence;
mod recovery;
mod refusals;
mod reload;
mod signing;
mod traces;
#[expect(dead_code, reason = "of what a user does, other binaries use more")]
#[path = "../it/user.rs"]
mod user;
mod versions;
