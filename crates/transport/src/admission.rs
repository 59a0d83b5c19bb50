//! Who may connect: limits of the node, origins, and whose word on a client's address is believed.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use hyper::HeaderMap;
use model::{Moment, Rate, TokenBucket, WorkerId, limits};

use crate::{Network, OriginPattern};

/// Why a connection is refused before its protocol is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// The node holds as many connections as it may.
    ConnectionLimit,
    /// Too many connections came at once.
    ConnectRate,
    /// The page's origin is not allowed.
    Origin,
    /// The request is no WebSocket handshake.
    Handshake,
    /// Too many handshakes are under way, or descriptors ran out; the socket was dropped unread.
    Overload,
    /// No header of a proxy where one must be, or a peer that is no proxy.
    ProxyHeader,
}

impl Rejection {
    /// Labels in metrics, in the order of [`Self::index`].
    pub const LABELS: [&'static str; 6] =
        ["connection_limit", "connect_rate", "origin", "handshake", "overload", "proxy_header"];

    /// Position of the rejection in [`Self::LABELS`].
    pub fn index(self) -> usize {
        self as usize
    }
}

/// What every worker of a node consults before it takes a connection on.
pub struct Admission {
    /// Replaced as a whole when settings change.
    rules: RwLock<Arc<AdmissionRules>>,
    bucket: Mutex<TokenBucket>,
    /// Connections and handshakes by worker; each is written by its own worker alone.
    counts: Vec<Count>,
    rejected: [AtomicU64; Rejection::LABELS.len()],
}

/// A worker's count on a cache line of its own.
#[repr(align(64))]
#[derive(Default)]
struct Count(AtomicU32);

/// What an operator allows.
#[derive(Debug)]
pub struct AdmissionRules {
    /// Origins of pages that may connect; requests without an origin always may.
    pub allowed_origins: Vec<OriginPattern>,
    /// Whether pages served by this machine may connect, on whatever port.
    pub allows_loopback: bool,
    /// Peers whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// Whether every connection begins with a proxy's header.
    pub proxy_protocol: bool,
    /// Connections of the node.
    pub connection_limit: u32,
    /// New connections per second; `None` for any number.
    pub connect_rate: Option<u32>,
}

impl Admission {
    /// Applies an operator's rules for so many workers.
    pub fn new(rules: AdmissionRules, workers: u16, now: Moment) -> Self {
        let bucket = TokenBucket::full(rules.rate().unwrap_or(Rate { per_second: 0, burst: 0 }), now);
        Self {
            rules: RwLock::new(Arc::new(rules)),
            bucket: Mutex::new(bucket),
            counts: (0..workers).map(|_| Count::default()).collect(),
            rejected: Default::default(),
        }
    }

    /// Applies other rules to those who come from now on.
    pub fn adopt(&self, rules: AdmissionRules) {
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
    }

    fn rules(&self) -> Arc<AdmissionRules> {
        Arc::clone(&self.rules.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// How often connections were refused, by [`Rejection::index`].
    pub fn rejections(&self) -> [u64; Rejection::LABELS.len()] {
        self.rejected.each_ref().map(|count| count.load(Ordering::Relaxed))
    }

    /// Most connections that the node takes on.
    pub fn connection_limit(&self) -> u32 {
        self.rules().connection_limit
    }

    pub(crate) fn reject(&self, rejection: Rejection) {
        self.rejected[rejection.index()].fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the node holds more than it may, the one that asks included.
    pub(crate) fn require_place(&self) -> Result<(), Rejection> {
        if self.total() > self.connection_limit() { Err(Rejection::ConnectionLimit) } else { Ok(()) }
    }

    /// Takes one of the second's new connections. Asked last, so that only clients that could be taken on use
    /// it up.
    pub(crate) fn require_rate(&self, now: Moment) -> Result<(), Rejection> {
        let Some(rate) = self.rules().rate() else {
            return Ok(());
        };
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.take(rate, now).ok_or(Rejection::ConnectRate)
    }

    /// Whether sockets beyond the limit, which are only there to be refused, use up the descriptors that are
    /// kept for everything else.
    pub(crate) fn is_crowded(&self) -> bool {
        self.total() >= self.connection_limit().saturating_add(limits::REFUSALS_AT_ONCE_MAX)
    }

    pub(crate) fn admit_origin(&self, headers: &HeaderMap) -> Result<(), Rejection> {
        let Some(origin) = headers.get(hyper::header::ORIGIN) else {
            return Ok(());
        };
        let origin = String::from_utf8_lossy(origin.as_bytes()).to_ascii_lowercase();
        let rules = self.rules();
        let is_allowed = rules.allowed_origins.iter().any(|pattern| pattern.matches(&origin))
            || (rules.allows_loopback && is_loopback(&origin));
        if is_allowed { Ok(()) } else { Err(Rejection::Origin) }
    }

    /// Whether every connection begins with a proxy's header.
    pub(crate) fn expects_proxy_header(&self) -> bool {
        self.rules().proxy_protocol
    }

    /// Whether a peer may say in such a header where a client is.
    pub(crate) fn may_proxy(&self, peer: IpAddr) -> bool {
        let rules = self.rules();
        rules.trusted_proxies.is_empty() || rules.trusts(peer)
    }

    /// A client's address: its socket's or the one in its proxy's header, or what a trusted proxy says it is.
    pub(crate) fn client_address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let (rules, mut address) = (self.rules(), peer);
        let forwarded = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
        let hops: Vec<&str> = forwarded.flat_map(|value| value.split(',')).collect();
        // The last entry is the nearest proxy's word; go on only as long as the speaker is trusted.
        for hop in hops.into_iter().rev() {
            match hop.trim().parse() {
                Ok(said) if rules.trusts(address) => address = said,
                Ok(_) | Err(_) => break,
            }
        }
        address
    }

    /// A worker begins a handshake; it counts until the next [`Self::set_count`]. Each worker counts its own
    /// before it looks at the others', in one order for all: two at once may both be refused, never both admitted.
    pub(crate) fn begin_handshake(&self, worker: WorkerId) {
        self.counts[usize::from(worker.0)].0.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn set_count(&self, worker: WorkerId, count: u32) {
        self.counts[usize::from(worker.0)].0.store(count, Ordering::Relaxed);
    }

    /// The worker that should take a fresh socket, if `worker` holds far more than its share.
    pub(crate) fn better_place(&self, worker: WorkerId) -> Option<WorkerId> {
        /// A worker may hold this many connections above 110 % of the mean.
        const SLACK: u64 = 64;
        let mine = u64::from(self.count(worker));
        let mean = u64::from(self.total()) / self.counts.len() as u64;
        if mine <= mean + mean / 10 + SLACK {
            return None;
        }
        let workers = (0..self.counts.len()).map(|index| WorkerId(index as u16));
        workers.min_by_key(|worker| self.count(*worker)).filter(|least| *least != worker)
    }

    fn count(&self, worker: WorkerId) -> u32 {
        self.counts[usize::from(worker.0)].0.load(Ordering::Relaxed)
    }

    fn total(&self) -> u32 {
        self.counts.iter().map(|count| count.0.load(Ordering::SeqCst)).sum()
    }
}

impl AdmissionRules {
    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(address))
    }

    fn rate(&self) -> Option<Rate> {
        self.connect_rate.map(|per_second| Rate { per_second, burst: per_second })
    }
}

fn is_loopback(origin: &str) -> bool {
    let host = origin.split_once("://").map_or("", |(_, host)| host);
    let host = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|digit| digit.is_ascii_digit()));
    let full = origin.split_once("://").map_or("", |(_, host)| host);
    matches!(host.map_or(full, |(host, _)| host), "localhost" | "127.0.0.1" | "[::1]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed() {
        let admission = admission(&["10.0.0.0/8"]);
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", "1.1.1.1, 2.2.2.2, 10.0.0.7".parse().expect("a header"));
        let seen =
            |peer: &str| admission.client_address(peer.parse().expect("an address"), &headers).to_string();
        assert_eq!(seen("10.0.0.1"), "2.2.2.2");
        assert_eq!(seen("9.9.9.9"), "9.9.9.9");
    }

    #[test]
    fn pages_of_this_machine_are_told_from_others() {
        for origin in ["http://localhost:9000", "http://127.0.0.1", "http://[::1]:80"] {
            assert!(is_loopback(origin), "{origin}");
        }
        for origin in
            ["http://localhost.evil.example", "http://evil.example:9000", "null", "http://127.0.0.1.evil"]
        {
            assert!(!is_loopback(origin), "{origin}");
        }
    }

    #[test]
    fn a_worker_far_above_the_mean_hands_sockets_on() {
        let admission = admission(&[]);
        admission.set_count(WorkerId(0), 64);
        assert_eq!(admission.better_place(WorkerId(0)), None);
        admission.set_count(WorkerId(0), 300);
        assert_eq!(admission.better_place(WorkerId(0)), Some(WorkerId(1)));
        assert_eq!(admission.better_place(WorkerId(1)), None);
    }

    fn admission(proxies: &[&str]) -> Admission {
        let rules = AdmissionRules {
            allowed_origins: Vec::new(),
            allows_loopback: true,
            trusted_proxies: proxies.iter().map(|text| text.parse().expect("a network")).collect(),
            proxy_protocol: false,
            connection_limit: 100,
            connect_rate: None,
        };
        Admission::new(rules, 2, Moment::default())
    }
}
