//! The library inside a real Redis, as functions and as scripts: what it keeps, publishes, answers, refuses.

mod guards;
mod history;
mod payloads;
mod presence;
mod publish;
mod server;
