//! The ports behind which publications are sequenced, and the in-memory implementation.

#![forbid(unsafe_code)]
