//! One publication on its way to this node's subscribers: shared by the workers, encoded once per variant.

use std::sync::OnceLock;

use bytes::Bytes;
use model::{ChannelName, Position, Publication};
use protocol::{Encoders, Variant};

use crate::rules::NamespaceId;

/// A publication for every worker that has subscribers of its channel.
pub struct Delivery {
    /// The channel.
    pub channel: ChannelName,
    /// The rule-set that the channel's name selects.
    pub namespace: NamespaceId,
    /// Where in the channel's stream it stands, when the namespace keeps one.
    pub position: Option<Position>,
    /// What was published.
    pub publication: Publication,
    frames: Box<[OnceLock<Bytes>]>,
}

/// A publication's bytes, and whether this call was the one to make them.
pub(crate) struct Encoded {
    pub(crate) bytes: Bytes,
    pub(crate) fresh: bool,
}

impl Delivery {
    /// A delivery that nobody encoded yet.
    pub fn new(
        channel: ChannelName,
        namespace: NamespaceId,
        position: Option<Position>,
        publication: Publication,
        encoders: &Encoders,
    ) -> Self {
        let frames = (0..encoders.count()).map(|_| OnceLock::new()).collect();
        Self { channel, namespace, position, publication, frames }
    }

    /// The publication in one variant, framing included.
    pub(crate) fn encoded(&self, variant: Variant, encoders: &Encoders) -> Encoded {
        let mut fresh = false;
        let bytes = self.frames[variant.index()].get_or_init(|| {
            fresh = true;
            encoders.of(variant).encode(&self.channel, &self.publication, self.position)
        });
        Encoded { bytes: bytes.clone(), fresh }
    }
}
