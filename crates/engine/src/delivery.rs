//! One publication on its way to this node's subscribers: shared by the workers, encoded once per variant.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use model::{ChannelName, ClientInfo, Movement, Position, Publication};
use protocol::{Encoders, Variant};

use crate::rules::NamespaceId;
use crate::trace::{DeliverySpan, Tracer};

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
    pub(crate) span: Option<Arc<DeliverySpan>>,
    frames: Frames,
}

/// That somebody came to a channel or went, for every worker that has subscribers who want to know.
pub struct MovementNotice {
    channel: ChannelName,
    movement: Movement,
    member: Arc<ClientInfo>,
    frames: Frames,
}

/// The bytes in each variant that somebody needed.
struct Frames(Box<[OnceLock<Bytes>]>);

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
        Self { channel, namespace, position, publication, span: None, frames: Frames::new(encoders) }
    }

    /// Tells of the delivery if the publication is part of a trace.
    pub(crate) fn traced(self, tracer: Option<&Arc<Tracer>>) -> Self {
        Self { span: DeliverySpan::begin(tracer, &self.publication, self.namespace), ..self }
    }

    /// The publication in one variant, framing included.
    pub(crate) fn encoded(&self, variant: Variant, encoders: &Encoders) -> Encoded {
        let mut fresh = false;
        let bytes = self.frames.of(variant, || {
            fresh = true;
            encoders.of(variant).encode(&self.channel, &self.publication, self.position)
        });
        Encoded { bytes, fresh }
    }
}

impl MovementNotice {
    /// A notice that nobody encoded yet.
    pub fn new(
        channel: ChannelName,
        movement: Movement,
        member: Arc<ClientInfo>,
        encoders: &Encoders,
    ) -> Self {
        Self { channel, movement, member, frames: Frames::new(encoders) }
    }

    /// Bytes that it holds, about.
    pub(crate) fn size(&self) -> usize {
        self.member.size()
    }

    /// The notice in one variant, framing included.
    pub(crate) fn encoded(&self, variant: Variant, encoders: &Encoders) -> Bytes {
        let encode = || encoders.of(variant).encode_movement(&self.channel, self.movement, &self.member);
        self.frames.of(variant, encode)
    }
}

impl Frames {
    fn new(encoders: &Encoders) -> Self {
        Self((0..encoders.count()).map(|_| OnceLock::new()).collect())
    }

    fn of(&self, variant: Variant, encode: impl FnOnce() -> Bytes) -> Bytes {
        self.0[variant.index()].get_or_init(encode).clone()
    }
}
