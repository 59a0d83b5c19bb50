//! What nodes know of each other: each says now and then that it is there, what it holds and what it reads. They
//! are the members of the channel by which nodes speak to each other.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use broker_redis::FormatVersion;
use engine::{Entry, NodeRequest};
use model::{ChannelName, ClientId, ClientInfo, Moment, Refusal, limits};
use serde::{Deserialize, Serialize};
use tokio::time::MissedTickBehavior;

use super::directive;
use super::identity::{NodeIdentity, NodeStats};
use crate::handle::Handle;

/// The formats that nodes write for each other.
#[derive(Clone)]
pub(crate) struct Formats {
    pub(crate) envelope: FormatVersion,
    /// Of directives, and of questions and answers.
    pub(crate) directive: FormatVersion,
    /// How often a node says which of them it reads.
    pub(crate) period: Duration,
}

/// All nodes that are known.
pub(crate) struct Roster {
    id: ClientId,
    name: Box<str>,
    is_clustered: bool,
    formats: Formats,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    others: Vec<NodeStats>,
    read: Option<Moment>,
    /// At how many looks in a row all nodes read what this one knows best.
    agreed: u32,
}

/// What a node says of itself.
#[derive(Serialize, Deserialize)]
struct Announcement {
    /// The newest version of the envelope that it reads.
    envelope: u8,
    /// The newest version of directives that it reads.
    directive: u8,
    holds: NodeStats,
}

impl Formats {
    /// As this program knows them.
    pub(crate) fn new() -> Self {
        let directive = FormatVersion::new(directive::VERSION);
        Self { envelope: FormatVersion::of_envelope(), directive, period: limits::NODE_ANNOUNCE_PERIOD }
    }
}

impl Roster {
    /// Of a node that knows itself alone yet.
    pub(crate) fn new(id: ClientId, is_clustered: bool, formats: Formats) -> Self {
        let name = id.to_string().into();
        Self { id, name, is_clustered, formats, known: Mutex::default() }
    }

    /// What the node is called by itself and others.
    pub(crate) fn id(&self) -> ClientId {
        self.id
    }

    /// The same, as text.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether there may be other nodes.
    pub(crate) fn is_clustered(&self) -> bool {
        self.is_clustered
    }

    /// The version of directives, questions and answers.
    pub(crate) fn directive(&self) -> &FormatVersion {
        &self.formats.directive
    }

    /// The other nodes, as they were when they last said what they hold; nothing is left of them when that could
    /// not be read for [`limits::NODE_TTL`].
    pub(crate) fn others(&self, now: Moment) -> Vec<NodeStats> {
        let known = self.lock();
        if known.is_fresh(now) { known.others.clone() } else { Vec::new() }
    }

    /// Who the other nodes are; `None` when that is not known.
    pub(crate) fn peers(&self, now: Moment) -> Option<Vec<ClientId>> {
        let known = self.lock();
        let peers = known.others.iter().filter_map(|node| ClientId::parse(&node.uid));
        (!self.is_clustered || known.is_fresh(now)).then(|| peers.collect())
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn announcement(&self, holds: NodeStats) -> ClientInfo {
        let (envelope, directive) = (self.formats.envelope.newest(), self.formats.directive.newest());
        let said = serde_json::value::to_raw_value(&Announcement { envelope, directive, holds });
        let connection = Some(said.expect("texts and numbers are JSON"));
        ClientInfo { connection, ..self.member() }
    }

    fn member(&self) -> ClientInfo {
        ClientInfo { user: "".into(), client: self.id, connection: None, subscription: None }
    }

    /// Takes in what all nodes say of themselves.
    fn take(&self, members: Result<Vec<Arc<ClientInfo>>, Refusal>, now: Moment) {
        let mut known = self.lock();
        let all = members.map(|members| members.iter().filter_map(|member| read(member)).collect::<Vec<_>>());
        let reads_ours = |node: &Announcement| {
            node.envelope >= self.formats.envelope.newest()
                && node.directive >= self.formats.directive.newest()
        };
        // Who is not listed itself may be one of several who are not.
        let is_own = |node: &Announcement| *node.holds.uid == *self.name;
        let is_agreed = all.as_ref().is_ok_and(|all| all.iter().any(is_own) && all.iter().all(reads_ours));
        known.agreed = if is_agreed { known.agreed.saturating_add(1) } else { 0 };
        let settled = known.agreed >= limits::NODE_LOOKS_MIN;
        self.formats.envelope.settle(settled);
        self.formats.directive.settle(settled);
        if let Ok(all) = all {
            known.others = all.into_iter().filter(|node| !is_own(node)).map(|node| node.holds).collect();
            known.others.sort_unstable_by(|one, other| (&one.name, &one.uid).cmp(&(&other.name, &other.uid)));
            known.read = Some(now);
        }
    }
}

impl Known {
    fn is_fresh(&self, now: Moment) -> bool {
        self.read.is_some_and(|read| now.since(read) < limits::NODE_TTL)
    }
}

/// What a member says of itself, if it is a node.
fn read(member: &ClientInfo) -> Option<Announcement> {
    let said = member.connection.as_ref()?;
    let found: Announcement = serde_json::from_str(said.get()).ok()?;
    let holds = &found.holds;
    let is_brief = |text: &str| text.len() <= limits::NODE_TEXT_BYTES_MAX;
    (holds.uid == member.client.to_string() && is_brief(&holds.name) && is_brief(&holds.version))
        .then_some(found)
}

/// Says that the node is there and looks who else is, for as long as it lives.
pub(crate) async fn keep(handle: &Handle, identity: &NodeIdentity) -> Infallible {
    let roster = handle.roster();
    if !roster.is_clustered {
        return std::future::pending().await;
    }
    // Who is known is asked.
    handle.letters().joined().await;
    let mut ticker = tokio::time::interval(roster.formats.period);
    ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut holds = None;
    loop {
        ticker.tick().await;
        // A worker that stands still does not make the node unknown.
        holds = identity.stats(handle, limits::NODE_USERS_COUNTED_MAX).await.or(holds);
        let Some(holds) = holds.clone() else { continue };
        handle.ask_node(NodeRequest::Vouch(vec![entry(handle, roster.announcement(holds))]));
        let members = handle.nodes().await;
        roster.take(members, handle.clock().moment());
    }
}

/// Makes the others forget the node.
pub(crate) fn leave(handle: &Handle) {
    if handle.roster().is_clustered {
        let entry = entry(handle, handle.roster().member());
        handle.ask_node(NodeRequest::Exit(Box::new(entry)));
    }
}

fn entry(handle: &Handle, member: ClientInfo) -> Entry {
    let channel = ChannelName::of_nodes();
    let namespace = handle.rules().of(&channel).unwrap_or_default();
    Entry { channel, namespace, member: Arc::new(member) }
}

#[cfg(test)]
mod tests {
    use model::RawJson;

    use super::*;

    const NODE: u128 = 1;
    const OTHER: u128 = 2;

    fn roster(id: u128, newest: u8) -> Roster {
        let formats = Formats {
            envelope: FormatVersion::new(newest),
            directive: FormatVersion::new(newest),
            ..Formats::new()
        };
        Roster::new(ClientId::new(id), true, formats)
    }

    fn said(roster: &Roster) -> Arc<ClientInfo> {
        let uid = roster.name().to_owned();
        Arc::new(roster.announcement(NodeStats { uid, ..NodeStats::default() }))
    }

    fn at(seconds: u64) -> Moment {
        Moment::after_start(Duration::from_secs(seconds))
    }

    #[test]
    fn a_node_knows_those_that_it_read_of_lately() {
        let (roster, other) = (roster(NODE, 1), roster(OTHER, 1));
        assert_eq!((roster.peers(at(1)), roster.others(at(1)).len()), (None, 0));
        roster.take(Ok(vec![said(&roster), said(&other)]), at(1));
        assert_eq!(roster.peers(at(2)), Some(vec![ClientId::new(OTHER)]));
        roster.take(Err(Refusal::Internal), at(3));
        assert_eq!(roster.others(at(10)).len(), 1);
        assert_eq!((roster.peers(at(11)), roster.others(at(11)).len()), (None, 0));
    }

    #[test]
    fn the_newer_version_is_written_after_looks_at_which_every_node_reads_it() {
        let (newer, older, second) = (roster(NODE, 2), roster(OTHER, 1), roster(OTHER, 2));
        let written = || [&newer.formats.envelope, &newer.formats.directive].map(FormatVersion::written);
        let look =
            |members: &[&Roster]| newer.take(Ok(members.iter().map(|node| said(node)).collect()), at(1));
        for _ in 0..limits::NODE_LOOKS_MIN - 1 {
            look(&[&newer, &second]);
        }
        assert_eq!(written(), [1, 1]);
        look(&[&newer]);
        assert_eq!(written(), [2, 2]);
        look(&[&newer, &older]);
        assert_eq!(written(), [1, 1]);
        for _ in 0..limits::NODE_LOOKS_MIN {
            look(&[&newer]);
        }
        assert_eq!(written(), [2, 2]);
        look(&[&second]);
        assert_eq!(written(), [1, 1], "it is not listed itself");
        for _ in 0..limits::NODE_LOOKS_MIN {
            look(&[&newer]);
        }
        newer.take(Err(Refusal::Internal), at(1));
        assert_eq!(written(), [1, 1], "who is there is not known");
    }

    #[test]
    fn a_member_that_is_no_node_is_left_out() {
        let (roster, other) = (roster(NODE, 1), roster(OTHER, 1));
        let mut disguised = (*said(&other)).clone();
        disguised.client = ClientId::new(3);
        let long = NodeStats {
            uid: other.name().to_owned(),
            name: "x".repeat(limits::NODE_TEXT_BYTES_MAX + 1),
            ..NodeStats::default()
        };
        let json = |text: &str| RawJson::from_string(text.to_owned()).ok();
        for wrong in [
            ClientInfo { connection: None, ..other.member() },
            ClientInfo { connection: json("{}"), ..other.member() },
            disguised,
            other.announcement(long),
        ] {
            roster.take(Ok(vec![said(&roster), Arc::new(wrong)]), at(1));
            assert_eq!(roster.peers(at(1)), Some(Vec::new()));
        }
    }
}
