//! The one binary `fanfare`.

#![forbid(unsafe_code)]

fn main() {}
