//! What a node's settings allow, as its shards need it.

use auth::Verifier;

use crate::ClientConfig;
use crate::rules::Rules;

/// The rules that every shard of a node shares.
pub struct Policy {
    /// Limits and habits of client connections.
    pub client: ClientConfig,
    /// Who may do what in which namespace.
    pub rules: Rules,
    /// Whose tokens are believed.
    pub verifier: Verifier,
    /// Bytes that may wait for one connection.
    pub outbox_bytes: usize,
    /// Subscribers whose position became useless that one worker tells in a tick.
    pub lapses_per_tick: usize,
    /// Bytes that may wait for all connections of one worker.
    pub outbox_bytes_total: usize,
}
