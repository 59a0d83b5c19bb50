//! What nodes put around a payload in Redis, so that position, tags and publisher travel with it: a first
//! byte that no text begins with, a version, then fields of one byte of id, four of length, and bytes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use model::limits::MESSAGE_OVERHEAD_BYTES;
use model::{
    ClientId, ClientInfo, Epoch, Moment, Movement, Payload, PayloadError, Position, Publication, RawJson,
    Tags,
};
use serde::{Deserialize, Deserializer, Serialize};

/// Begins an envelope, and neither JSON nor any other UTF-8 text.
const MAGIC: u8 = 0xfa;
/// The only version so far.
const VERSION: u8 = 1;
const FIELD_HEAD_BYTES: usize = 5;
const POSITION_BYTES: usize = 12;
/// Which movement it is.
const JOIN: u8 = 1;
const LEAVE: u8 = 2;
/// Longest name of a node.
const ORIGIN_BYTES_MAX: usize = 64;
/// Fields of one envelope, unknown ones included.
const FIELDS_MAX: usize = 32;

mod field {
    pub(super) const POSITION: u8 = 0;
    pub(super) const PAYLOAD: u8 = 1;
    pub(super) const TAGS: u8 = 2;
    pub(super) const PUBLISHER: u8 = 3;
    pub(super) const ACCEPTED: u8 = 4;
    pub(super) const ORIGIN: u8 = 5;
    /// Somebody came or went: there is no payload, and the publisher is who did. (6 and 7, trace context and
    /// signature, are not read.)
    pub(super) const MOVEMENT: u8 = 8;
    pub(super) const KNOWN: u8 = 9;
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
    /// There is no envelope: a bare Redis command published it.
    pub(crate) is_plain: bool,
    /// When the node that took it on did so, in microseconds since 1970 on that node's clock.
    pub(crate) accepted_unix_micros: Option<u64>,
    /// What was published.
    pub(crate) publication: Publication,
}

/// Why bytes from Redis are no publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    /// The payload is not one JSON value.
    #[error("the payload is not one JSON value")]
    NotJson,
    /// A part is larger than allowed.
    #[error("it is larger than allowed")]
    TooLarge,
    /// The envelope ends within a field.
    #[error("the envelope is cut short")]
    Truncated,
    /// The envelope is of another version.
    #[error("the envelope is of an unknown version")]
    Version,
    /// A field is missing, doubled, or not what it should be.
    #[error("a field of the envelope is missing or wrong")]
    Field,
}

impl Malformed {
    /// Every kind, in the order of [`Self::index`].
    pub(crate) const ALL: [Self; 5] =
        [Self::NotJson, Self::TooLarge, Self::Truncated, Self::Version, Self::Field];

    /// Position in [`Self::ALL`].
    pub(crate) fn index(self) -> usize {
        self as usize
    }

    /// The kind as a metric's label.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::NotJson => "not_json",
            Self::TooLarge => "too_large",
            Self::Truncated => "truncated",
            Self::Version => "version",
            Self::Field => "field",
        }
    }
}

impl From<PayloadError> for Malformed {
    fn from(_: PayloadError) -> Self {
        Self::NotJson
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
    publication: &Publication,
    accepted_unix_micros: u64,
    origin: &str,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(&[MAGIC, VERSION]);
    append(field::PAYLOAD, publication.payload.as_bytes(), out);
    if !publication.tags.is_empty() {
        let by_name: BTreeMap<&str, &str> = publication.tags.iter().collect();
        append(field::TAGS, &serde_json::to_vec(&by_name).expect("texts by name are JSON"), out);
    }
    if let Some(publisher) = &publication.publisher {
        append(field::PUBLISHER, &client_as_json(publisher), out);
    }
    append(field::ACCEPTED, &accepted_unix_micros.to_be_bytes(), out);
    append(field::ORIGIN, origin.as_bytes(), out);
}

/// Appends what tells that somebody came or went.
pub(crate) fn encode_movement(movement: Movement, member: &ClientInfo, origin: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&[MAGIC, VERSION]);
    let which = match movement {
        Movement::Join => JOIN,
        Movement::Leave => LEAVE,
    };
    append(field::MOVEMENT, &[which], out);
    append(field::PUBLISHER, &client_as_json(member), out);
    append(field::ORIGIN, origin.as_bytes(), out);
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

fn append(id: u8, bytes: &[u8], out: &mut Vec<u8>) {
    let length = u32::try_from(bytes.len()).expect("what was published is far below 4 GiB");
    out.push(id);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Opens what a history keeps, read at `arrived`. Trusts none of it.
pub(crate) fn open_kept(
    bytes: &[u8],
    payload_bytes_max: usize,
    arrived: Moment,
) -> Result<Publication, Malformed> {
    match open(bytes, payload_bytes_max, arrived)? {
        Content::Publication(opened) => Ok(opened.publication),
        Content::Movement(..) => Err(Malformed::Field),
    }
}

/// Opens what came from Redis, at `arrived`. Trusts none of it.
pub(crate) fn open(bytes: &[u8], payload_bytes_max: usize, arrived: Moment) -> Result<Content, Malformed> {
    let fields = match bytes {
        [MAGIC, VERSION, fields @ ..] => fields,
        [MAGIC, _, ..] => return Err(Malformed::Version),
        [MAGIC] => return Err(Malformed::Truncated),
        plain => {
            let payload = payload(plain, payload_bytes_max)?;
            let publication =
                Publication { payload, publisher: None, tags: Tags::default(), accepted: arrived };
            let opened = Opened { position: None, is_plain: true, accepted_unix_micros: None, publication };
            return Ok(Content::Publication(opened));
        }
    };
    let fields = Fields::split(fields)?;
    if let Some(which) = fields.known(field::MOVEMENT) {
        return movement(which, &fields, payload_bytes_max);
    }
    let position = fields.known(field::POSITION).map(position).transpose()?;
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
        payload,
        publisher: publisher.map(Arc::new),
        tags: tags.unwrap_or_default(),
        accepted: arrived,
    };
    Ok(Content::Publication(Opened { position, is_plain: false, accepted_unix_micros, publication }))
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

/// The known fields of an envelope, by id.
#[derive(Default)]
struct Fields<'b>([Option<&'b [u8]>; field::KNOWN as usize]);

impl<'b> Fields<'b> {
    fn split(mut rest: &'b [u8]) -> Result<Self, Malformed> {
        let mut fields = Self::default();
        for _ in 0..FIELDS_MAX {
            let Some((&[id, a, b, c, d], behind)) = rest.split_first_chunk::<FIELD_HEAD_BYTES>() else {
                break;
            };
            let length =
                usize::try_from(u32::from_be_bytes([a, b, c, d])).map_err(|_| Malformed::TooLarge)?;
            let (bytes, behind) = behind.split_at_checked(length).ok_or(Malformed::Truncated)?;
            rest = behind;
            if let Some(place) = fields.0.get_mut(usize::from(id))
                && place.replace(bytes).is_some()
            {
                return Err(Malformed::Field);
            }
        }
        match rest.len() {
            0 => Ok(fields),
            1..FIELD_HEAD_BYTES => Err(Malformed::Truncated),
            _ => Err(Malformed::TooLarge),
        }
    }

    fn known(&self, id: u8) -> Option<&'b [u8]> {
        self.0[usize::from(id)]
    }
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
