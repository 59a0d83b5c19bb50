//! What a node is made of besides its settings: protocols, broker, bounds that only tests change.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use broker::{Broker, MemoryBroker};
use broker_redis::{FormatVersion, Library, library};
use model::{ClientId, limits};
use protocol::{Encoders, Protocol, Variant};
use protocol_centrifugal::CentrifugalJson;
use transport::{Route, WebSocketFraming};

use crate::broker_thread::{BrokerSource, RedisPlan};
use crate::config::{Config, Loaded};
use crate::nodes::roster::Formats;

/// Where the native protocol is spoken.
pub const NATIVE_PATH: &str = "/connection/websocket";

/// The parts that a node is put together from.
pub struct Composition {
    pub(crate) encoders: Encoders,
    pub(crate) routes: Vec<Route>,
    pub(crate) broker: BrokerSource,
    /// What the node is called by itself and others; differs between nodes, and between two runs of one.
    pub(crate) id: ClientId,
    pub(crate) formats: Formats,
    /// Fragments of one message that a client sends.
    pub(crate) fragments_max: usize,
    /// Where the settings come from, if they are to be read again.
    pub(crate) loaded: Option<Loaded>,
    pub(crate) mode: Mode,
    /// The version that operators see.
    pub(crate) version: &'static str,
}

/// What a node is run for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Signals drain the node.
    Production,
    /// Pages of this machine may connect, and Ctrl-C ends the node at once.
    Development,
    /// Part of another process, whose signals are not the node's business.
    Embedded,
}

impl Composition {
    /// The native protocol over WebSocket, and the broker that the settings name.
    pub fn new(config: &Config, mode: Mode, version: &'static str) -> Self {
        let mut encoders = Encoders::default();
        let variant = encoders.add(Arc::new(CentrifugalJson), &WebSocketFraming);
        let native = Route { path: NATIVE_PATH, variant, subprotocols: &["centrifuge-json"] };
        let dice = RandomState::new();
        let id = ClientId::new((u128::from(dice.hash_one(1)) << 64) | u128::from(dice.hash_one(2)));
        let formats = Formats::new();
        Self {
            encoders,
            routes: vec![native],
            broker: broker(config, id, &formats),
            id,
            formats,
            fragments_max: limits::FRAGMENTS_PER_MESSAGE_MAX,
            loaded: None,
            mode,
            version,
        }
    }

    /// Adds a protocol over WebSocket at a path of its own.
    #[must_use]
    pub fn with_protocol(mut self, path: &'static str, protocol: Arc<dyn Protocol>) -> Self {
        let variant: Variant = self.encoders.add(protocol, &WebSocketFraming);
        self.routes.push(Route { path, variant, subprotocols: &[] });
        self
    }

    /// Takes another broker.
    #[must_use]
    pub fn with_broker(mut self, name: &'static str, broker: Box<dyn Broker + Send>) -> Self {
        self.broker = BrokerSource::Embedded(name, broker);
        self
    }

    /// Knows other versions of what nodes write for each other, of the envelope and of directives, and says so at
    /// another period, than a program of today does.
    #[must_use]
    pub fn with_formats(mut self, envelope: u8, directive: u8, period: Duration) -> Self {
        let [envelope, directive] = [envelope, directive].map(FormatVersion::new);
        if let BrokerSource::Redis(plan) = &mut self.broker {
            plan.envelope = envelope.clone();
        }
        self.formats = Formats { envelope, directive, period };
        self
    }

    /// Is one version ahead of this program in all that nodes write for each other and into Redis.
    #[must_use]
    pub fn one_ahead(self) -> Self {
        let Formats { envelope, directive, period } = &self.formats;
        let (envelope, directive, period) = (envelope.newest() + 1, directive.newest() + 1, *period);
        let mut ahead = self.with_formats(envelope, directive, period);
        if let BrokerSource::Redis(plan) = &mut ahead.broker {
            plan.library = Library::numbered(library::VERSION + 1);
        }
        ahead
    }

    /// Takes messages of more fragments.
    #[must_use]
    pub fn with_fragments(mut self, fragments_max: usize) -> Self {
        self.fragments_max = fragments_max;
        self
    }

    /// Reads the settings again on SIGHUP and when their files change. They are those that the node starts with.
    #[must_use]
    pub fn with_reload(mut self, loaded: Loaded) -> Self {
        self.loaded = Some(loaded);
        self
    }
}

fn broker(config: &Config, id: ClientId, formats: &Formats) -> BrokerSource {
    let dice = RandomState::new();
    if !config.redis.is_on() {
        return BrokerSource::Embedded("memory", Box::new(MemoryBroker::new(dice.hash_one(0) as u32)));
    }
    BrokerSource::Redis(Box::new(RedisPlan {
        config: config.redis.clone(),
        origin: id.to_string(),
        envelope: formats.envelope.clone(),
        library: Library::current(),
    }))
}
