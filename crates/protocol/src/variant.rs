//! Variants: which encoding of a publication a subscriber shares with others.

use std::sync::Arc;

use bytes::Bytes;
use model::{ChannelName, ClientInfo, Movement, Position, Publication};

use crate::{Framing, Protocol};

/// Protocol × encoding × framing, as an index into the node's [`Encoders`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Variant(u8);

impl Variant {
    /// Most variants that one node can have.
    pub const COUNT_MAX: usize = 16;

    /// Position in the node's list of encoders.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// One way to turn a publication into bytes for sockets.
#[derive(Clone)]
pub struct Encoder {
    /// What is said.
    pub protocol: Arc<dyn Protocol>,
    /// How it is wrapped.
    pub framing: &'static dyn Framing,
}

impl Encoder {
    /// Room for what protocols and transports put around a payload; more is allowed, at the cost of a copy.
    const WRAPPING_BYTES: usize = 160;

    /// Longest head that a transport writes.
    const HEAD_BYTES: usize = 16;

    /// A publication as bytes for any number of sockets.
    pub fn encode(
        &self,
        channel: &ChannelName,
        publication: &Publication,
        position: Option<Position>,
    ) -> Bytes {
        let mut payload = Vec::with_capacity(publication.size() + Self::WRAPPING_BYTES);
        self.protocol.encode(channel, publication, position, &mut payload);
        self.wrap(&payload)
    }

    /// That somebody came to a channel or went, as bytes for any number of sockets.
    pub fn encode_movement(&self, channel: &ChannelName, movement: Movement, member: &ClientInfo) -> Bytes {
        let mut payload = Vec::with_capacity(Self::WRAPPING_BYTES);
        self.protocol.encode_movement(channel, movement, member, &mut payload);
        self.wrap(&payload)
    }

    fn wrap(&self, payload: &[u8]) -> Bytes {
        let mut wrapped = Vec::with_capacity(payload.len() + Self::HEAD_BYTES);
        self.framing.wrap(self.protocol.kind(), payload, &mut wrapped);
        Bytes::from(wrapped)
    }
}

/// Every variant of a node, fixed at its start.
#[derive(Clone, Default)]
pub struct Encoders(Vec<Encoder>);

impl Encoders {
    /// Adds a variant.
    ///
    /// # Panics
    /// Beyond [`Variant::COUNT_MAX`] of them.
    pub fn add(&mut self, protocol: Arc<dyn Protocol>, framing: &'static dyn Framing) -> Variant {
        assert!(self.0.len() < Variant::COUNT_MAX, "a node has at most {} variants", Variant::COUNT_MAX);
        self.0.push(Encoder { protocol, framing });
        Variant((self.0.len() - 1) as u8)
    }

    /// The encoder of a variant.
    pub fn of(&self, variant: Variant) -> &Encoder {
        &self.0[variant.index()]
    }

    /// How many variants there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Every variant's label, in the order of [`Variant::index`].
    pub fn labels(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|encoder| format!("{}_{}", encoder.protocol.label(), encoder.framing.label()))
    }
}
