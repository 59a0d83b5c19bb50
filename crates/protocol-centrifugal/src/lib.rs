//! The native client protocol: JSON, wire-compatible with the Centrifugal v2 client protocol.

#![forbid(unsafe_code)]
