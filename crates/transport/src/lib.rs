//! Moves frames between a socket and a session.

#![forbid(unsafe_code)]
