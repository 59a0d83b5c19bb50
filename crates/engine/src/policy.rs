//! What a node's settings allow, as its threads need it. Replaced as a whole when settings change.

use std::sync::Arc;

use auth::Verifier;

use model::limits;

use crate::ClientConfig;
use crate::rules::Rules;

/// The rules that all threads of a node share.
pub struct Policy {
    /// Limits and habits of client connections.
    pub client: ClientConfig,
    /// Who may do what in which namespace.
    pub rules: Arc<Rules>,
    /// Whose tokens are believed.
    pub verifier: Verifier,
    /// Largest payload of a publication, whoever publishes it.
    pub publication_bytes_max: usize,
    /// Bytes that may wait for one connection.
    pub outbox_bytes: usize,
    /// Subscribers whose position became useless that one worker tells in a tick.
    pub lapses_per_tick: usize,
    /// Bytes that may wait for all connections of one worker.
    pub outbox_bytes_total: usize,
}

impl Policy {
    /// Bytes of one message that a client sends.
    pub fn message_bytes_max(&self) -> usize {
        self.client.publication_size.as_usize() + limits::MESSAGE_OVERHEAD_BYTES
    }
}
