//! Rule-sets by namespace, and what they allow whom. Pure questions; nothing here acts.

use std::collections::BTreeMap;

use model::{ChannelName, HistoryRules, Period, Refusal, limits};

use crate::{NamespaceConfig, RecoveryMode};

/// A namespace, as an index. It means the same namespace for as long as the process lives, whatever is configured
/// meanwhile: what remembers one never comes to follow the rules of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NamespaceId(u16);

impl NamespaceId {
    /// The channels without a namespace.
    const UNNAMED: Self = Self(0);
    /// The channel by which nodes speak to each other.
    const OF_NODES: Self = Self(1);
    /// The channel of one node.
    const OF_ONE_NODE: Self = Self(2);

    /// Position among all, for what is counted by namespace.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// The rule-sets of a node.
#[derive(Debug, Clone)]
pub struct Rules {
    /// By [`NamespaceId`].
    namespaces: Vec<Namespace>,
    /// Those that have a name, in the order of their names.
    named: Vec<NamespaceId>,
    insecure: bool,
}

#[derive(Debug, Clone)]
struct Namespace {
    name: Box<str>,
    /// Those that it had last, when it was removed.
    rules: NamespaceConfig,
    is_removed: bool,
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
    ///
    /// # Panics
    /// With more than [`limits::NAMESPACES_KNOWN_MAX`] namespaces.
    pub fn new(
        channels: &NamespaceConfig,
        namespaces: &BTreeMap<String, NamespaceConfig>,
        insecure: bool,
    ) -> Self {
        let fixed = [channels.clone(), of_nodes(), NamespaceConfig::default()];
        let fixed = fixed.map(|rules| Namespace { name: Box::from(""), rules, is_removed: false });
        let empty = Self { namespaces: fixed.into(), named: Vec::new(), insecure };
        empty.changed(channels, namespaces).expect("settings have fewer namespaces")
    }

    /// The rule-sets after settings changed. None if the process would have known more than
    /// [`limits::NAMESPACES_KNOWN_MAX`] namespaces then.
    #[must_use]
    pub fn changed(
        &self,
        channels: &NamespaceConfig,
        namespaces: &BTreeMap<String, NamespaceConfig>,
    ) -> Option<Self> {
        let mut changed = self.clone();
        changed.namespaces[NamespaceId::UNNAMED.index()].rules = channels.clone();
        for id in &self.named {
            let known = &mut changed.namespaces[id.index()];
            known.is_removed = !namespaces.contains_key(&*known.name);
        }
        for (name, rules) in namespaces {
            match self.find(name) {
                Ok(id) => changed.namespaces[id.index()].rules = rules.clone(),
                Err(_) if changed.named.len() == limits::NAMESPACES_KNOWN_MAX => return None,
                Err(_) => {
                    changed.named.push(NamespaceId(changed.namespaces.len() as u16));
                    let (name, rules) = (Box::from(name.as_str()), rules.clone());
                    changed.namespaces.push(Namespace { name, rules, is_removed: false });
                }
            }
        }
        let Self { namespaces, named, .. } = &mut changed;
        named.sort_by(|one, other| namespaces[one.index()].name.cmp(&namespaces[other.index()].name));
        Some(changed)
    }

    /// The namespaces that operators configured since the process began, in the order of their names; the first
    /// has none and stands for channels without one.
    pub fn names(&self) -> impl Iterator<Item = (NamespaceId, &str)> {
        let ids = std::iter::once(NamespaceId::UNNAMED).chain(self.named.iter().copied());
        ids.map(|id| (id, self.name(id)))
    }

    /// A namespace's name; empty for channels without one.
    pub fn name(&self, namespace: NamespaceId) -> &str {
        &self.namespaces[namespace.index()].name
    }

    /// How many rule-sets there are: every index is below.
    pub fn count(&self) -> usize {
        self.namespaces.len()
    }

    /// The rule-set that a channel's name selects.
    pub fn of(&self, channel: &ChannelName) -> Result<NamespaceId, Refusal> {
        let known = self.known(channel).filter(|id| !self.namespaces[id.index()].is_removed);
        known.ok_or(Refusal::UnknownChannel)
    }

    /// The rule-set that a channel's name selects, or did before its namespace was removed: those who are in the
    /// channel then stay, and so do its rules for them.
    pub fn known(&self, channel: &ChannelName) -> Option<NamespaceId> {
        if channel.is_of_nodes() {
            return Some(NamespaceId::OF_NODES);
        }
        if channel.node().is_some() {
            return Some(NamespaceId::OF_ONE_NODE);
        }
        match channel.namespace() {
            Some(name) => self.find(name).ok(),
            None => Some(NamespaceId::UNNAMED),
        }
    }

    fn rules(&self, namespace: NamespaceId) -> &NamespaceConfig {
        &self.namespaces[namespace.index()].rules
    }

    fn find(&self, name: &str) -> Result<NamespaceId, usize> {
        let found = self.named.binary_search_by(|id| self.name(*id).cmp(name));
        found.map(|place| self.named[place])
    }

    /// What is kept of the publications in a namespace's channels.
    pub fn history(&self, namespace: NamespaceId) -> Option<HistoryRules> {
        let rules = self.rules(namespace);
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
            Some(_) => self.rules(namespace).recovery,
            None => RecoveryMode::Off,
        }
    }

    /// Whether what backends publish without a signature is taken.
    pub fn takes_unsigned(&self, namespace: NamespaceId) -> bool {
        self.rules(namespace).unsigned_publish
    }

    /// Whether it is known of any channel who is subscribed.
    pub(crate) fn has_any_presence(&self) -> bool {
        self.names().any(|(id, _)| self.has_presence(id))
    }

    /// Whether it is known who is subscribed.
    pub fn has_presence(&self, namespace: NamespaceId) -> bool {
        self.rules(namespace).presence
    }

    /// Whether subscribers can be told who comes and goes.
    pub fn tells_movements(&self, namespace: NamespaceId) -> bool {
        self.rules(namespace).join_leave
    }

    /// Most members that are listed, and whose coming and going is told.
    pub fn members_max(&self, namespace: NamespaceId) -> u32 {
        self.rules(namespace).presence_members_max
    }

    /// Whether a subscriber is told who comes and goes, given that it wants to or not.
    pub(crate) fn hears_movements(&self, namespace: NamespaceId, asker: Asker<'_>, wants: bool) -> bool {
        let rules = self.rules(namespace);
        rules.join_leave
            && (rules.push_join_leave || (wants && self.may_see_presence(namespace, asker).is_ok()))
    }

    /// May this user ask who is subscribed?
    pub(crate) fn may_see_presence(&self, namespace: NamespaceId, asker: Asker<'_>) -> Result<(), Refusal> {
        let rules = self.rules(namespace);
        let as_client = rules.client_presence && (asker.is_named() || rules.anonymous_presence);
        let as_subscriber = rules.subscriber_presence && asker.is_subscribed;
        (as_client || as_subscriber || self.insecure).then_some(()).ok_or(Refusal::PermissionDenied)
    }

    /// May this user read the history?
    pub(crate) fn may_read_history(&self, namespace: NamespaceId, asker: Asker<'_>) -> Result<(), Refusal> {
        if self.history(namespace).is_none() {
            return Err(Refusal::NotAvailable);
        }
        let rules = self.rules(namespace);
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
        let rules = self.rules(namespace);
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
        let rules = self.rules(namespace);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_means_one_namespace_for_ever() {
        let mut rules = of(&["b", "d"]);
        let [b, d] = ["b:1", "d:1"].map(|channel| rules.of(&name(channel)).expect("configured"));
        for names in [&["a", "b", "c", "d"][..], &["c"], &["d", "e"], &[], &["a", "b", "d"]] {
            rules = rules.changed(&NamespaceConfig::default(), &sections(names)).expect("few namespaces");
            for (channel, id) in [("b:1", b), ("d:1", d)] {
                let is_there = names.contains(&&channel[..1]);
                assert_eq!(rules.of(&name(channel)).ok(), is_there.then_some(id), "{channel} of {names:?}");
                assert_eq!(rules.known(&name(channel)), Some(id), "{channel} of {names:?}");
                assert_eq!(rules.name(id), &channel[..1]);
            }
            assert_eq!(rules.of(&name("a")), Ok(NamespaceId::UNNAMED));
        }
        let names: Vec<&str> = rules.names().map(|(_, name)| name).collect();
        assert_eq!(names, ["", "a", "b", "c", "d", "e"]);
        assert_eq!(rules.of(&name("f:1")), Err(Refusal::UnknownChannel));
        assert_eq!(rules.known(&name("f:1")), None);
    }

    #[test]
    fn namespaces_that_come_and_go_are_bounded() {
        let names: Vec<String> = (0..limits::NAMESPACES_KNOWN_MAX).map(|number| number.to_string()).collect();
        let mut rules = of(&[]);
        for some in names.chunks(1000) {
            let some: Vec<&str> = some.iter().map(String::as_str).collect();
            rules = rules.changed(&NamespaceConfig::default(), &sections(&some)).expect("within the bound");
        }
        assert!(rules.changed(&NamespaceConfig::default(), &sections(&["one-more"])).is_none());
        assert!(rules.changed(&NamespaceConfig::default(), &sections(&["0"])).is_some());
    }

    fn of(names: &[&str]) -> Rules {
        Rules::new(&NamespaceConfig::default(), &sections(names), false)
    }

    fn sections(names: &[&str]) -> BTreeMap<String, NamespaceConfig> {
        names.iter().map(|name| ((*name).to_owned(), NamespaceConfig::default())).collect()
    }

    fn name(text: &str) -> ChannelName {
        ChannelName::parse(text).expect("a name")
    }
}
