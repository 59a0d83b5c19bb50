//! Publications and movements in JSON: the one frame that is written for all subscribers, and lists out of a
//! history.

use model::{ChannelName, ClientInfo, HistoryEntry, Movement, Position, Publication};

use super::object::{self, Members};

/// Writes the push of a publication. The payload is spliced, never parsed.
pub(super) fn write(
    channel: &ChannelName,
    publication: &Publication,
    position: Option<Position>,
    out: &mut Vec<u8>,
) {
    object::write(out, |frame| {
        frame.object("push", |push| {
            push.text("channel", channel.as_str());
            let offset = position.map(|position| position.offset);
            push.object("pub", |body| write_body(publication, offset, body));
        });
    });
}

/// Writes the push that somebody came to a channel or went.
pub(super) fn write_movement(
    channel: &ChannelName,
    movement: Movement,
    member: &ClientInfo,
    out: &mut Vec<u8>,
) {
    let word = match movement {
        Movement::Join => "join",
        Movement::Leave => "leave",
    };
    object::write(out, |frame| {
        frame.object("push", |push| {
            push.text("channel", channel.as_str());
            push.object(word, |movement| movement.object("info", |info| write_client(member, info)));
        });
    });
}

/// Adds the list of publications that a result carries, each as its push would have told it.
pub(super) fn write_list(entries: &[HistoryEntry], result: &mut Members<'_>) {
    result.objects("publications", entries, |entry, body| {
        write_body(&entry.publication, Some(entry.offset), body);
    });
}

fn write_body(publication: &Publication, offset: Option<u64>, body: &mut Members<'_>) {
    body.value("data", publication.payload.as_bytes());
    if let Some(publisher) = &publication.publisher {
        body.object("info", |info| write_client(publisher, info));
    }
    if let Some(offset) = offset {
        body.number("offset", offset);
    }
    if !publication.tags.is_empty() {
        body.object("tags", |tags| {
            for (name, text) in publication.tags.iter() {
                tags.named_text(name, text);
            }
        });
    }
}

// User and client are told even when empty: client libraries read them without asking.
pub(super) fn write_client(client: &ClientInfo, info: &mut Members<'_>) {
    info.text("user", &client.user);
    info.plain("client", client.client);
    if let Some(connection) = &client.connection {
        info.raw("conn_info", connection);
    }
    if let Some(subscription) = &client.subscription {
        info.raw("chan_info", subscription);
    }
}
