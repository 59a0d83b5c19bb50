//! Composes a node: configuration, workers, listeners, server API, health, metrics, drain.

#![forbid(unsafe_code)]
