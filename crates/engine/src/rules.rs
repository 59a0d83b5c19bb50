//! Rule-sets by namespace, and what they allow whom. Pure questions; nothing here acts.

use std::collections::BTreeMap;

use model::{ChannelName, HistoryRules, Period, Refusal, limits};

use crate::{NamespaceConfig, RecoveryMode};

/// A configured namespace, as an index: 0 are the channels without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NamespaceId(u16);

impl NamespaceId {
    /// Position in [`Rules::names`].
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// The rule-sets of a node.
#[derive(Debug, Clone)]
pub struct Rules {
    names: Vec<Box<str>>,
    namespaces: Vec<NamespaceConfig>,
    insecure: bool,
}

/// Somebody who asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asker<'a> {
    /// Empty for users without a name.
    pub(crate) user: &'a str,
    /// Whether the channel is among the asker's subscriptions.
    pub(crate) is_subscribed: bool,
}

impl Rules {
    /// Rule-sets from settings. `insecure` lifts every rule save those about names.
    pub fn new(
        channels: &NamespaceConfig,
        namespaces: &BTreeMap<String, NamespaceConfig>,
        insecure: bool,
    ) -> Self {
        let named = namespaces.iter().map(|(name, config)| (Box::from(name.as_str()), config.clone()));
        let unnamed = std::iter::once((Box::from(""), channels.clone()));
        let (names, mut namespaces): (Vec<_>, Vec<_>) = unnamed.chain(named).unzip();
        namespaces.extend([of_nodes(), NamespaceConfig::default()]);
        Self { names, namespaces, insecure }
    }

    /// The namespaces' names; the first is empty and stands for channels without one.
    pub fn names(&self) -> &[Box<str>] {
        &self.names
    }

    /// How many rule-sets there are: two more than names, for the channels by which nodes speak to each other.
    pub(crate) fn count(&self) -> usize {
        self.namespaces.len()
    }

    /// The rule-set that a channel's name selects.
    pub fn of(&self, channel: &ChannelName) -> Result<NamespaceId, Refusal> {
        if channel.is_of_nodes() {
            return Ok(NamespaceId(self.names.len() as u16));
        }
        if channel.node().is_some() {
            return Ok(NamespaceId(self.names.len() as u16 + 1));
        }
        let Some(name) = channel.namespace() else {
            return Ok(NamespaceId(0));
        };
        let found = self.names[1..].binary_search_by(|known| (**known).cmp(name));
        found.map(|index| NamespaceId(index as u16 + 1)).map_err(|_| Refusal::UnknownChannel)
    }

    /// What is kept of the publications in a namespace's channels.
    pub fn history(&self, namespace: NamespaceId) -> Option<HistoryRules> {
        let rules = &self.namespaces[namespace.index()];
        let keeps = rules.history_size > 0 && rules.history_ttl != Period::default();
        keeps.then_some(HistoryRules {
            size: rules.history_size,
            ttl: rules.history_ttl.0,
            meta_ttl: rules.history_meta_ttl.0,
        })
    }

    /// What subscribers who come back get, where a history is kept.
    pub(crate) fn recovery(&self, namespace: NamespaceId) -> RecoveryMode {
        match self.history(namespace) {
            Some(_) => self.namespaces[namespace.index()].recovery,
            None => RecoveryMode::Off,
        }
    }

    /// Whether what backends publish without a signature is taken.
    pub fn takes_unsigned(&self, namespace: NamespaceId) -> bool {
        self.namespaces[namespace.index()].unsigned_publish
    }

    /// Whether it is known of any channel who is subscribed.
    pub(crate) fn has_any_presence(&self) -> bool {
        self.namespaces[..self.names.len()].iter().any(|rules| rules.presence)
    }

    /// Whether it is known who is subscribed.
    pub fn has_presence(&self, namespace: NamespaceId) -> bool {
        self.namespaces[namespace.index()].presence
    }

    /// Whether subscribers can be told who comes and goes.
    pub fn tells_movements(&self, namespace: NamespaceId) -> bool {
        self.namespaces[namespace.index()].join_leave
    }

    /// Most members that are listed, and whose coming and going is told.
    pub fn members_max(&self, namespace: NamespaceId) -> u32 {
        self.namespaces[namespace.index()].presence_members_max
    }

    /// Whether a subscriber is told who comes and goes, given that it wants to or not.
    pub(crate) fn hears_movements(&self, namespace: NamespaceId, asker: Asker<'_>, wants: bool) -> bool {
        let rules = &self.namespaces[namespace.index()];
        rules.join_leave
            && (rules.push_join_leave || (wants && self.may_see_presence(namespace, asker).is_ok()))
    }

    /// May this user ask who is subscribed?
    pub(crate) fn may_see_presence(&self, namespace: NamespaceId, asker: Asker<'_>) -> Result<(), Refusal> {
        let rules = &self.namespaces[namespace.index()];
        let as_client = rules.client_presence && (asker.is_named() || rules.anonymous_presence);
        let as_subscriber = rules.subscriber_presence && asker.is_subscribed;
        (as_client || as_subscriber || self.insecure).then_some(()).ok_or(Refusal::PermissionDenied)
    }

    /// May this user read the history?
    pub(crate) fn may_read_history(&self, namespace: NamespaceId, asker: Asker<'_>) -> Result<(), Refusal> {
        if self.history(namespace).is_none() {
            return Err(Refusal::NotAvailable);
        }
        let rules = &self.namespaces[namespace.index()];
        let as_client = rules.client_history && (asker.is_named() || rules.anonymous_history);
        let as_subscriber = rules.subscriber_history && asker.is_subscribed;
        (as_client || as_subscriber || self.insecure).then_some(()).ok_or(Refusal::PermissionDenied)
    }

    /// May this user subscribe without a token?
    pub(crate) fn may_subscribe(
        &self,
        namespace: NamespaceId,
        channel: &ChannelName,
        asker: Asker<'_>,
    ) -> Result<(), Refusal> {
        let rules = &self.namespaces[namespace.index()];
        let listed = || channel.users().map(|mut users| users.any(|user| user == asker.user));
        let allowed = if channel.is_private() {
            false
        } else if let Some(listed) = rules.user_limited.then(listed).flatten() {
            listed && !asker.user.is_empty()
        } else {
            self.insecure || (rules.client_subscribe && (asker.is_named() || rules.anonymous_subscribe))
        };
        allowed.then_some(()).ok_or(Refusal::PermissionDenied)
    }

    /// May this user publish?
    pub(crate) fn may_publish(&self, namespace: NamespaceId, asker: Asker<'_>) -> Result<(), Refusal> {
        let rules = &self.namespaces[namespace.index()];
        let as_client = rules.client_publish && (asker.is_named() || rules.anonymous_publish);
        let as_subscriber = rules.subscriber_publish && asker.is_subscribed;
        (as_client || as_subscriber || self.insecure).then_some(()).ok_or(Refusal::PermissionDenied)
    }
}

/// A node that was away for longer than this has lost its clients, too. Its members are the nodes.
fn of_nodes() -> NamespaceConfig {
    NamespaceConfig {
        presence: true,
        presence_members_max: limits::NODES_MAX,
        history_size: limits::DIRECTIVES_KEPT_MAX,
        history_ttl: Period(limits::DIRECTIVE_TTL),
        ..NamespaceConfig::default()
    }
}

impl Asker<'_> {
    fn is_named(&self) -> bool {
        !self.user.is_empty()
    }
}
