//! The native protocol as its clients see it: exact frames in and out, and what holds for all of them.

mod inbound;
mod outbound;
mod properties;
mod record;
