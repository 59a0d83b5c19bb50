//! Which tokens are believed, and what they then allow.

#![forbid(unsafe_code)]

mod claims;
mod fixture;
mod properties;
mod settings;
mod signatures;
mod tools;
