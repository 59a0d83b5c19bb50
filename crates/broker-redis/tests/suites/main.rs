//! The suites for every broker and every presence, on a real Redis; and many who come and go at once.
#![expect(clippy::disallowed_methods, reason = "tests wait against the clock")]

mod lanes;
mod rig;
mod storm;
