//! What nodes put around a payload in Redis, so that position, tags and publisher travel with it: a first
//! byte that no text begins with, a version, then fields of one byte of id, four of length, and bytes.

mod trace;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use model::limits::{MESSAGE_OVERHEAD_BYTES, NODE_PAYLOAD_BYTES_MAX};
use model::{
    ChannelName, ClientId, ClientInfo, Epoch, Mark, Marks, Moment, Movement, Payload, Position, Publication,
    RawJson, Tags,
};
use serde::{Deserialize, Deserializer, Serialize};

use crate::fields::{Fields, append, each_field};
use crate::format_version::FormatVersion;
pub(crate) use crate::malformed::Malformed;
use crate::signing::Signing;

/// Begins an envelope, and neither JSON nor any other UTF-8 text.
const MAGIC: u8 = 0xfa;
/// The newest version; there is no other so far.
pub(crate) const VERSION: u8 = 1;
const POSITION_BYTES: usize = 12;
/// Of the mark and the one before it.
const MARKS_BYTES: usize = 8;
/// Which movement it is.
const JOIN: u8 = 1;
const LEAVE: u8 = 2;
/// Longest name of a node.
const ORIGIN_BYTES_MAX: usize = 64;

mod field {
    pub(super) const POSITION: u8 = 0;
    pub(super) const PAYLOAD: u8 = 1;
    pub(super) const TAGS: u8 = 2;
    pub(super) const PUBLISHER: u8 = 3;
    pub(super) const ACCEPTED: u8 = 4;
    pub(super) const ORIGIN: u8 = 5;
    pub(super) const TRACE: u8 = 6;
    /// Comes last.
    pub(super) const SIGNATURE: u8 = 7;
    /// Somebody came or went: there is no payload, and the publisher is who did.
    pub(super) const MOVEMENT: u8 = 8;
    /// What tells a publication with a position apart.
    pub(super) const MARKS: u8 = 9;
}

/// How a node reads and writes envelopes.
pub(crate) struct Terms {
    pub(crate) version: FormatVersion,
    /// The node's own name.
    pub(crate) origin: String,
    /// Largest payload that is taken.
    pub(crate) payload_bytes_max: Box<dyn Fn() -> usize>,
    /// Absent: nothing is signed, and signatures are not looked at.
    pub(crate) signing: Option<Signing>,
}

impl Terms {
    /// Largest payload that is taken from a channel: what nodes tell each other is no publisher's business.
    fn payload_bytes_max(&self, channel: &ChannelName) -> usize {
        if channel.is_internal() { NODE_PAYLOAD_BYTES_MAX } else { (self.payload_bytes_max)() }
    }
}

/// What came of a channel in Redis.
#[derive(Debug)]
pub(crate) enum Content {
    /// A publication.
    Publication(Opened),
    /// Somebody came or went.
    Movement(Movement, Arc<ClientInfo>),
}

/// What was published to a channel in Redis.
#[derive(Debug)]
pub(crate) struct Opened {
    /// Its place in the channel's history, if it has one.
    pub(crate) position: Option<Position>,
    /// What tells it apart there.
    pub(crate) marks: Marks,
    /// There is no envelope: a bare Redis command published it.
    pub(crate) is_plain: bool,
    /// When the node that took it on did so, in microseconds since 1970 on that node's clock.
    pub(crate) accepted_unix_micros: Option<u64>,
    /// What was published.
    pub(crate) publication: Publication,
}

impl Opened {
    /// Notes how long the publication was under way, now that it is `unix_micros`. Whether it seems to have been
    /// received before it was taken on: two nodes' clocks differ.
    pub(crate) fn note_travel(&mut self, unix_micros: u64) -> bool {
        let Some(accepted) = self.accepted_unix_micros else { return false };
        let travel = unix_micros.checked_sub(accepted);
        self.publication.travel_micros = u32::try_from(travel.unwrap_or(0)).unwrap_or(u32::MAX);
        travel.is_none()
    }
}

/// Both infos come in commands of a connection, each of which is bounded by this.
fn publisher_bytes_max(payload_bytes_max: usize) -> usize {
    2 * (payload_bytes_max + MESSAGE_OVERHEAD_BYTES)
}

#[derive(Serialize)]
struct PublisherOut<'p> {
    user: &'p str,
    client: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    conn_info: Option<&'p RawJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chan_info: Option<&'p RawJson>,
}

/// Appends a publication's body, without a position: the script that gives it one puts it first.
pub(crate) fn encode_body(
    terms: &Terms,
    channel: &ChannelName,
    publication: &Publication,
    accepted_unix_micros: u64,
    out: &mut Vec<u8>,
) {
    let begun = begin(terms, out);
    append(field::PAYLOAD, publication.payload.as_bytes(), out);
    if !publication.tags.is_empty() {
        let by_name: BTreeMap<&str, &str> = publication.tags.iter().collect();
        append(field::TAGS, &serde_json::to_vec(&by_name).expect("texts by name are JSON"), out);
    }
    if let Some(publisher) = &publication.publisher {
        append(field::PUBLISHER, &client_as_json(publisher), out);
    }
    append(field::ACCEPTED, &accepted_unix_micros.to_be_bytes(), out);
    if let Some(context) = &publication.trace {
        append(field::TRACE, &trace::encode(context), out);
    }
    end(terms, channel, begun, out);
}

/// Appends what tells that somebody came or went.
pub(crate) fn encode_movement(
    terms: &Terms,
    channel: &ChannelName,
    movement: Movement,
    member: &ClientInfo,
    out: &mut Vec<u8>,
) {
    let begun = begin(terms, out);
    let which = match movement {
        Movement::Join => JOIN,
        Movement::Leave => LEAVE,
    };
    append(field::MOVEMENT, &[which], out);
    append(field::PUBLISHER, &client_as_json(member), out);
    end(terms, channel, begun, out);
}

/// Begins an envelope; returns where its fields are to be.
fn begin(terms: &Terms, out: &mut Vec<u8>) -> usize {
    out.extend_from_slice(&[MAGIC, terms.version.written()]);
    out.len()
}

/// Appends what every envelope ends with.
fn end(terms: &Terms, channel: &ChannelName, begun: usize, out: &mut Vec<u8>) {
    append(field::ORIGIN, terms.origin.as_bytes(), out);
    if let Some(signing) = &terms.signing {
        let version = out[begun - 1];
        let signature = signing.sign(channel, version, std::iter::once(&out[begun..]));
        append(field::SIGNATURE, signature.as_ref(), out);
    }
}

/// A client as nodes write it down for each other.
pub(crate) fn client_as_json(client: &ClientInfo) -> Vec<u8> {
    let client = PublisherOut {
        user: &client.user,
        client: client.client.to_string(),
        conn_info: client.connection.as_deref(),
        chan_info: client.subscription.as_deref(),
    };
    serde_json::to_vec(&client).expect("texts by name are JSON")
}

/// Opens what a channel's history keeps, read at `arrived`. Trusts none of it.
pub(crate) fn open_kept(
    terms: &Terms,
    channel: &ChannelName,
    bytes: &[u8],
    arrived: Moment,
) -> Result<Opened, Malformed> {
    match open(terms, channel, bytes, arrived)? {
        Content::Publication(opened) => Ok(opened),
        Content::Movement(..) => Err(Malformed::Field),
    }
}

/// Opens what came from a channel in Redis, at `arrived`. Trusts none of it.
pub(crate) fn open(
    terms: &Terms,
    channel: &ChannelName,
    bytes: &[u8],
    arrived: Moment,
) -> Result<Content, Malformed> {
    let payload_bytes_max = terms.payload_bytes_max(channel);
    let (version, fields) = match bytes {
        [MAGIC, version, fields @ ..] if terms.version.reads(*version) => (*version, fields),
        [MAGIC, _, ..] => return Err(Malformed::Version),
        [MAGIC] => return Err(Malformed::Truncated),
        plain => {
            if terms.signing.as_ref().is_some_and(|signing| !signing.accepts_unsigned(channel)) {
                return Err(Malformed::Signature);
            }
            let publication = Publication::new(payload(plain, payload_bytes_max)?, arrived);
            let marks = Marks::default();
            let opened =
                Opened { position: None, marks, is_plain: true, accepted_unix_micros: None, publication };
            return Ok(Content::Publication(opened));
        }
    };
    let whole = fields;
    let fields = Fields::split(whole)?;
    if let Some(signing) = &terms.signing
        && !is_genuine(signing, channel, version, whole, &fields)
    {
        return Err(Malformed::Signature);
    }
    if let Some(which) = fields.known(field::MOVEMENT) {
        return movement(which, &fields, payload_bytes_max);
    }
    let position = fields.known(field::POSITION).map(position).transpose()?;
    let marks = fields.known(field::MARKS).map(marks).transpose()?.unwrap_or_default();
    let payload = payload(fields.known(field::PAYLOAD).ok_or(Malformed::Field)?, payload_bytes_max)?;
    let tags = fields.known(field::TAGS).map(|bytes| tags(bytes, payload_bytes_max)).transpose()?;
    let publisher =
        fields.known(field::PUBLISHER).map(|bytes| client(bytes, payload_bytes_max)).transpose()?;
    let accepted = fields.known(field::ACCEPTED).map(|bytes| bytes.try_into().map(u64::from_be_bytes));
    let accepted_unix_micros = accepted.transpose().map_err(|_| Malformed::Field)?;
    let origin = fields.known(field::ORIGIN).unwrap_or_default();
    if origin.len() > ORIGIN_BYTES_MAX || std::str::from_utf8(origin).is_err() {
        return Err(Malformed::Field);
    }
    let publication = Publication {
        publisher: publisher.map(Arc::new),
        tags: tags.unwrap_or_default(),
        trace: fields.known(field::TRACE).and_then(trace::decode),
        ..Publication::new(payload, arrived)
    };
    Ok(Content::Publication(Opened { position, marks, is_plain: false, accepted_unix_micros, publication }))
}

fn movement(which: &[u8], fields: &Fields<'_>, payload_bytes_max: usize) -> Result<Content, Malformed> {
    let movement = match which {
        [JOIN] => Movement::Join,
        [LEAVE] => Movement::Leave,
        _ => return Err(Malformed::Field),
    };
    let member = fields.known(field::PUBLISHER).ok_or(Malformed::Field)?;
    Ok(Content::Movement(movement, Arc::new(client(member, payload_bytes_max)?)))
}

/// Whether nodes wrote it that have the key, or a backend where none is needed: backends write nothing that only
/// nodes can know.
fn is_genuine(
    signing: &Signing,
    channel: &ChannelName,
    version: u8,
    whole: &[u8],
    fields: &Fields<'_>,
) -> bool {
    let Some(found) = fields.known(field::SIGNATURE) else {
        let of_nodes = [field::PUBLISHER, field::ORIGIN, field::MOVEMENT];
        return signing.accepts_unsigned(channel) && of_nodes.iter().all(|id| fields.known(*id).is_none());
    };
    let uncovered = [field::POSITION, field::MARKS, field::SIGNATURE];
    let covered = each_field(whole).filter(|field| !uncovered.contains(&field.id));
    let covered = covered.map(|field| field.whole);
    signing.holds(found, channel, version, covered)
}

fn payload(bytes: &[u8], bytes_max: usize) -> Result<Payload, Malformed> {
    if bytes.len() > bytes_max {
        return Err(Malformed::TooLarge);
    }
    Ok(Payload::parse_json(bytes)?)
}

fn position(bytes: &[u8]) -> Result<Position, Malformed> {
    let Ok(&[a, b, c, d, ref offset @ ..]) = <&[u8; POSITION_BYTES]>::try_from(bytes) else {
        return Err(Malformed::Field);
    };
    match u32::from_be_bytes([a, b, c, d]) {
        0 => Err(Malformed::Field),
        epoch => Ok(Position { epoch: Epoch::new(epoch), offset: u64::from_be_bytes(*offset) }),
    }
}

fn marks(bytes: &[u8]) -> Result<Marks, Malformed> {
    let Ok([a, b, c, d, previous @ ..]) = <[u8; MARKS_BYTES]>::try_from(bytes) else {
        return Err(Malformed::Field);
    };
    let mark = |bytes| Mark::new(u32::from_be_bytes(bytes));
    Ok(Marks { own: mark([a, b, c, d]), previous: mark(previous) })
}

fn tags(bytes: &[u8], bytes_max: usize) -> Result<Tags, Malformed> {
    if bytes.len() > bytes_max {
        return Err(Malformed::TooLarge);
    }
    let texts: BTreeMap<String, String> = serde_json::from_slice(bytes).map_err(|_| Malformed::Field)?;
    Ok(texts.into())
}

#[derive(Deserialize)]
struct PublisherIn<'b> {
    #[serde(borrow)]
    user: Cow<'b, str>,
    #[serde(borrow)]
    client: Cow<'b, str>,
    #[serde(borrow, default, deserialize_with = "given")]
    conn_info: Option<&'b RawJson>,
    #[serde(borrow, default, deserialize_with = "given")]
    chan_info: Option<&'b RawJson>,
}

/// A value that is there, if only `null`.
fn given<'b, D: Deserializer<'b>>(deserializer: D) -> Result<Option<&'b RawJson>, D::Error> {
    <&RawJson>::deserialize(deserializer).map(Some)
}

/// Reads a client as nodes write it down for each other.
pub(crate) fn client(bytes: &[u8], payload_bytes_max: usize) -> Result<ClientInfo, Malformed> {
    if bytes.len() > publisher_bytes_max(payload_bytes_max) {
        return Err(Malformed::TooLarge);
    }
    let found: PublisherIn<'_> = serde_json::from_slice(bytes).map_err(|_| Malformed::Field)?;
    let client = ClientId::parse(&found.client).ok_or(Malformed::Field)?;
    Ok(ClientInfo {
        user: found.user.into(),
        client,
        connection: found.conn_info.map(without_line_breaks),
        subscription: found.chan_info.map(without_line_breaks),
    })
}

/// Clients get it as it is, inside frames that end at a line break.
fn without_line_breaks(value: &RawJson) -> Box<RawJson> {
    if !value.get().contains(['\n', '\r']) {
        return value.to_owned();
    }
    let text = value.get().replace(['\n', '\r'], "");
    RawJson::from_string(text).expect("line breaks stand between the tokens of a JSON value")
}

#[cfg(test)]
#[path = "envelope/tests.rs"]
mod tests;
