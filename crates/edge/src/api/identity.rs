//! What a node is called.

use std::net::SocketAddr;

use model::Moment;
use transport::host_name;

/// What the server API tells about its node.
pub(crate) struct NodeIdentity {
    /// Differs between nodes, and between two runs of one.
    pub(super) uid: String,
    /// What operators call the node.
    pub(super) name: String,
    /// Of the software.
    pub(super) version: String,
    /// When the node began, on the clock of its [`crate::Handle`].
    pub(super) started: Moment,
}

impl NodeIdentity {
    /// The node of this process, which is called after the machine and its first public port.
    pub(crate) fn new(uid: &str, public: &[SocketAddr], version: &str, started: Moment) -> Self {
        let port = public.first().map_or(0, SocketAddr::port);
        Self {
            uid: uid.to_owned(),
            name: format!("{}:{port}", host_name().as_deref().unwrap_or("node")),
            version: version.to_owned(),
            started,
        }
    }
}
