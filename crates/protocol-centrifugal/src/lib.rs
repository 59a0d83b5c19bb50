//! The native client protocol, wire-compatible with the Centrifugal v2 client protocol: one module per
//! codec. Translates between its words and ours; decides nothing.

#![forbid(unsafe_code)]

mod json;

pub use json::CentrifugalJson;
