//! What one client is told, in JSON: replies carry the command's number, pushes stand alone.

use std::slice;
use std::sync::Arc;

use model::{ClientId, ClientInfo, CloseReason, HistoryEntry, HistoryPage, Refusal, RequestId};
use protocol::{Event, FrameKind, Frames, Recovered, ServerSubscription, SubscriptionTerms};

use super::object::{self, Members};
use super::publication;

/// What clients are told about the server's version.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Room for an ordinary reply; a longer one is allowed, at the cost of a copy.
const REPLY_BYTES: usize = 256;

/// Writes an event as at most one frame. Result objects stand there even when empty: client libraries tell
/// replies apart by the word.
pub(super) fn write(event: &Event<'_>, frames: &mut Frames<'_>) {
    match event {
        Event::Connected { request, client, ttl, ping, subscriptions } => reply(frames, *request, |reply| {
            reply.object("connect", |connect| {
                write_connect(connect, *client, *ttl, *ping, subscriptions);
            });
        }),
        Event::Subscribed { request, terms } => reply(frames, *request, |reply| {
            reply.object("subscribe", |subscribe| write_terms(subscribe, terms));
        }),
        Event::Unsubscribed { request } => {
            reply(frames, *request, |reply| reply.object("unsubscribe", |_| ()))
        }
        Event::Published { request } => reply(frames, *request, |reply| reply.object("publish", |_| ())),
        Event::History { request, page } => reply(frames, *request, |reply| {
            reply.object("history", |history| write_page(history, page));
        }),
        Event::Presence { request, members } => reply(frames, *request, |reply| {
            reply.object("presence", |presence| write_members(presence, members));
        }),
        Event::PresenceCounted { request, clients, users } => reply(frames, *request, |reply| {
            reply.object("presence_stats", |stats| {
                stats.number("num_clients", (*clients).into());
                stats.number("num_users", (*users).into());
            });
        }),
        Event::Refreshed { request, ttl } => reply(frames, *request, |reply| {
            reply.object("refresh", |refresh| write_expiry(refresh, *ttl));
        }),
        Event::SubscriptionRefreshed { request, ttl } => reply(frames, *request, |reply| {
            reply.object("sub_refresh", |refresh| write_expiry(refresh, *ttl));
        }),
        Event::Refused { request, refusal } => reply(frames, *request, |reply| {
            reply.object("error", |error| write_refusal(error, *refusal));
        }),
        Event::Ping => frames.push(FrameKind::Text, b"{}"),
        Event::SubscriptionAdded(added) => push(frames, |push| {
            push.text("channel", added.channel.as_str());
            // The push has no members for an expiry or a recovery.
            let terms = SubscriptionTerms { ttl: None, recovery: None, ..added.terms };
            push.object("subscribe", |subscribe| write_terms(subscribe, &terms));
        }),
        Event::SubscriptionEnded { channel, reason } => push(frames, |push| {
            push.text("channel", channel.as_str());
            push.object("unsubscribe", |unsubscribe| {
                unsubscribe.number("code", reason.code().into());
                unsubscribe.text("reason", reason.text());
            });
        }),
        Event::ExpiryChanged { ttl } => push(frames, |push| {
            push.object("refresh", |refresh| write_expiry(refresh, *ttl));
        }),
        Event::Closed(CloseReason::Gone) => {}
        Event::Closed(reason) => frames.close(reason.code(), &reason.text()),
    }
}

fn reply(frames: &mut Frames<'_>, request: RequestId, fill: impl FnOnce(&mut Members<'_>)) {
    let mut out = Vec::with_capacity(REPLY_BYTES);
    object::write(&mut out, |reply| {
        reply.number("id", request.0.into());
        fill(reply);
    });
    frames.push(FrameKind::Text, &out);
}

fn push(frames: &mut Frames<'_>, fill: impl FnOnce(&mut Members<'_>)) {
    let mut out = Vec::with_capacity(REPLY_BYTES);
    object::write(&mut out, |frame| frame.object("push", fill));
    frames.push(FrameKind::Text, &out);
}

fn write_connect(
    connect: &mut Members<'_>,
    client: ClientId,
    ttl: Option<u32>,
    ping: Option<u32>,
    subscriptions: &[ServerSubscription<'_>],
) {
    connect.plain("client", client);
    connect.text("version", VERSION);
    write_expiry(connect, ttl);
    if let Some(ping) = ping {
        connect.number("ping", ping.into());
        connect.yes("pong");
    }
    if !subscriptions.is_empty() {
        connect.object("subs", |channels| {
            for subscription in subscriptions {
                channels.named_object(subscription.channel.as_str(), |terms| {
                    write_terms(terms, &subscription.terms);
                });
            }
        });
    }
}

fn write_terms(result: &mut Members<'_>, terms: &SubscriptionTerms<'_>) {
    write_expiry(result, terms.ttl);
    if let Some(position) = terms.position {
        result.yes("recoverable");
        result.plain("epoch", position.epoch);
    }
    if let Some(publications) = terms.recovery.and_then(recovered) {
        if !publications.is_empty() {
            publication::write_list(publications, result);
        }
        result.yes("recovered");
    }
    if let Some(position) = terms.position {
        if position.offset > 0 {
            result.number("offset", position.offset);
        }
        result.yes("positioned");
    }
    if let Some(data) = terms.data {
        result.raw("data", data);
    }
    if terms.recovery.is_some() {
        result.yes("was_recovering");
    }
}

/// What is repeated, if the recovery succeeded.
fn recovered(recovery: Recovered<'_>) -> Option<&[HistoryEntry]> {
    match recovery {
        Recovered::Whole(entries) => Some(entries),
        Recovered::Last(last) => Some(last.map_or(&[], slice::from_ref)),
        Recovered::Failed => None,
    }
}

// All three are told even when empty: client libraries read them without asking.
fn write_page(history: &mut Members<'_>, page: &HistoryPage) {
    publication::write_list(&page.entries, history);
    history.plain("epoch", page.top.epoch);
    history.number("offset", page.top.offset);
}

fn write_members(presence: &mut Members<'_>, members: &[Arc<ClientInfo>]) {
    presence.object("presence", |listed| {
        for member in members {
            let name = member.client.to_string();
            listed.named_object(&name, |info| publication::write_client(member, info));
        }
    });
}

fn write_expiry(result: &mut Members<'_>, ttl: Option<u32>) {
    if let Some(ttl) = ttl {
        result.yes("expires");
        result.number("ttl", ttl.into());
    }
}

fn write_refusal(error: &mut Members<'_>, refusal: Refusal) {
    error.number("code", refusal.code().into());
    error.text("message", refusal.text());
    if refusal.is_temporary() {
        error.yes("temporary");
    }
}
