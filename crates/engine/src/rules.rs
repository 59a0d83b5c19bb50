//! Rule-sets by namespace, and what they allow whom. Pure questions; nothing here acts.

use std::collections::BTreeMap;

use model::{ChannelName, Refusal};

use crate::NamespaceConfig;

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
        let (names, namespaces) = std::iter::once((Box::from(""), channels.clone())).chain(named).unzip();
        Self { names, namespaces, insecure }
    }

    /// The namespaces' names; the first is empty and stands for channels without one.
    pub fn names(&self) -> &[Box<str>] {
        &self.names
    }

    /// The rule-set that a channel's name selects.
    pub fn of(&self, channel: &ChannelName) -> Result<NamespaceId, Refusal> {
        let Some(name) = channel.namespace() else {
            return Ok(NamespaceId(0));
        };
        let found = self.names[1..].binary_search_by(|known| (**known).cmp(name));
        found.map(|index| NamespaceId(index as u16 + 1)).map_err(|_| Refusal::UnknownChannel)
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

impl Asker<'_> {
    fn is_named(&self) -> bool {
        !self.user.is_empty()
    }
}
