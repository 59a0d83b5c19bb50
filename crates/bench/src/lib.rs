//! The load generator behind `fanfare bench`.

#![forbid(unsafe_code)]
