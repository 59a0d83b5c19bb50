//! Publications as JSON subscribers receive them: the one frame that is written for all of them.

use model::{ChannelName, ClientInfo, Position, Publication};

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
            push.object("pub", |body| write_body(publication, position, body));
        });
    });
}

fn write_body(publication: &Publication, position: Option<Position>, body: &mut Members<'_>) {
    body.value("data", publication.payload.as_bytes());
    if let Some(publisher) = &publication.publisher {
        body.object("info", |info| write_publisher(publisher, info));
    }
    if let Some(position) = position {
        body.number("offset", position.offset);
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
fn write_publisher(publisher: &ClientInfo, info: &mut Members<'_>) {
    info.text("user", &publisher.user);
    info.plain("client", publisher.client);
    if let Some(connection) = &publisher.connection {
        info.raw("conn_info", connection);
    }
    if let Some(subscription) = &publisher.subscription {
        info.raw("chan_info", subscription);
    }
}
