//! Channels, publications, rules and ranges that the checks use.

use std::collections::BTreeMap;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use broker::PublishTerms;
use model::{
    ChannelName, ClientId, ClientInfo, HistoryPage, HistoryRange, HistoryRules, Moment, Payload, Publication,
    RawJson,
};

/// Rules under which nothing ends while a check runs.
pub(super) const RULES: HistoryRules =
    HistoryRules { size: 1000, ttl: Duration::from_secs(300), meta_ttl: Duration::from_secs(600) };
/// As much as may be asked for, from the oldest.
pub(super) const ALL: HistoryRange = HistoryRange { since: None, limit: u32::MAX, reverse: false };
/// The top alone.
pub(super) const TOP: HistoryRange = HistoryRange { limit: 0, ..ALL };

/// A channel that no other check and no other run uses.
pub(super) fn channel(text: &str) -> ChannelName {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let begun = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock after 1970");
    let name = format!("suite:{}-{:x}-{count}:{text}", process::id(), begun.as_micros());
    ChannelName::parse(&name).expect("a channel name")
}

/// A publication of a JSON text.
pub(super) fn publication(json: &str) -> Publication {
    let payload = Payload::parse_json(json.as_bytes()).expect("a JSON text");
    Publication::new(payload, Moment::default())
}

/// A publication of a number.
pub(super) fn numbered(number: u64) -> Publication {
    publication(&number.to_string())
}

/// The publication of somebody, with tags.
pub(super) fn signed(json: &str, tags: &[(&str, &str)], publisher: ClientInfo) -> Publication {
    let tags = tags.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    let tags = tags.collect::<BTreeMap<_, _>>().into();
    Publication { tags, publisher: Some(Arc::new(publisher)), ..publication(json) }
}

/// Somebody, and what their tokens say.
pub(super) fn publisher(user: &str, connection: Option<&str>, subscription: Option<&str>) -> ClientInfo {
    let raw = |json: &str| RawJson::from_string(json.to_owned()).expect("a JSON text");
    ClientInfo {
        user: user.into(),
        client: ClientId::new(0x0123_4567_89ab_cdef_0011_2233_4455_6677),
        connection: connection.map(raw),
        subscription: subscription.map(raw),
    }
}

/// Published to be kept.
pub(super) fn kept() -> PublishTerms {
    kept_by(RULES)
}

/// Published to be kept by some rules.
pub(super) fn kept_by(rules: HistoryRules) -> PublishTerms {
    PublishTerms { history: Some(rules), ..PublishTerms::default() }
}

/// Published without being kept.
pub(super) fn passing() -> PublishTerms {
    PublishTerms::default()
}

/// The offsets of a page.
pub(super) fn offsets(page: &HistoryPage) -> Vec<u64> {
    page.entries.iter().map(|entry| entry.offset).collect()
}

/// Fails unless both are the same to the byte.
pub(super) fn assert_same(found: &Publication, published: &Publication) {
    assert!(found.payload == published.payload, "another payload: {:?}", text(found));
    assert!(found.tags.iter().eq(published.tags.iter()), "other tags: {:?}", found.tags);
    let told = |publication: &Publication| {
        publication.publisher.as_ref().map(|publisher| {
            let json = |raw: &Option<Box<RawJson>>| raw.as_ref().map(|raw| raw.get().to_owned());
            let ClientInfo { user, client, connection, subscription } = publisher.as_ref();
            (user.clone(), *client, json(connection), json(subscription))
        })
    };
    assert_eq!(told(found), told(published), "another publisher");
}

fn text(publication: &Publication) -> String {
    publication.payload.as_bytes().iter().take(100).copied().map(char::from).collect()
}
