//! Signatures of what nodes write for each other, by a key that only they have: of the channel, the version and
//! every field but the position, which Redis gives, and the signature itself.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac::{Context, HMAC_SHA256, Key, Tag};
use model::{ChannelName, Secret};

/// Signs and checks.
pub(crate) struct Signing {
    key: Key,
    previous: Option<Key>,
    accepts_unsigned: Box<dyn Fn(&ChannelName) -> bool>,
}

impl Signing {
    /// Signs with `key` and accepts `previous`, too, unless that is empty.
    pub(crate) fn new(
        key: &Secret,
        previous: &Secret,
        accepts_unsigned: Box<dyn Fn(&ChannelName) -> bool>,
    ) -> Self {
        let made = |secret: &Secret| Key::new(HMAC_SHA256, secret.reveal().as_bytes());
        let previous = (!previous.is_empty()).then(|| made(previous));
        Self { key: made(key), previous, accepts_unsigned }
    }

    /// Whether a channel takes what backends publish without a signature.
    pub(crate) fn accepts_unsigned(&self, channel: &ChannelName) -> bool {
        (self.accepts_unsigned)(channel)
    }

    /// The signature of an envelope's fields, each with its id and its length.
    pub(crate) fn sign<'b>(
        &self,
        channel: &ChannelName,
        version: u8,
        fields: impl Iterator<Item = &'b [u8]>,
    ) -> Tag {
        signature(&self.key, channel, version, fields)
    }

    /// Whether a signature is right.
    pub(crate) fn holds<'b>(
        &self,
        found: &[u8],
        channel: &ChannelName,
        version: u8,
        fields: impl Iterator<Item = &'b [u8]> + Clone,
    ) -> bool {
        [Some(&self.key), self.previous.as_ref()].into_iter().flatten().any(|key| {
            let right = signature(key, channel, version, fields.clone());
            verify_slices_are_equal(right.as_ref(), found).is_ok()
        })
    }
}

fn signature<'b>(
    key: &Key,
    channel: &ChannelName,
    version: u8,
    fields: impl Iterator<Item = &'b [u8]>,
) -> Tag {
    let mut context = Context::with_key(key);
    let name = channel.as_str().as_bytes();
    // A name is at most 255 bytes long.
    context.update(&[name.len() as u8]);
    context.update(name);
    context.update(&[version]);
    fields.for_each(|field| context.update(field));
    context.sign()
}
