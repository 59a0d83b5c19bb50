//! What tests rest on, tested itself: both suites, by what passes them and what does not, and servers started
//! for tests.

#![expect(clippy::disallowed_methods, reason = "tests wait against the clock")]

mod cluster;
mod mistaken;
mod presences;
mod redis;
mod suite;
