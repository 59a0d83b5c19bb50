//! The memory broker against a naive model of what it promises.

mod naive;
mod property;
