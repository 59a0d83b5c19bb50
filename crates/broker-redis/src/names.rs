//! Channel names as Redis sees them: the name of the pub/sub channel, which is the key of its history too, and
//! the hash slot of either.

use std::borrow::Cow;

use model::ChannelName;

/// Longest prefix.
const PREFIX_BYTES_MAX: usize = 64;
/// Hash slots of a Redis Cluster.
pub(crate) const SLOTS: u16 = 16_384;
/// What stands between the prefix and a channel's name.
const CHANNEL_MARK: &str = ":ch:";
/// What stands between the prefix and [`NODES`]: apart from channels, so that an ACL can tell them apart.
const NODES_MARK: &str = ":ctl:ch:";
/// What the channel by which nodes speak to each other is called.
const NODES: &str = "nodes";
/// What the channels by which single nodes are spoken to are called, before the node's name.
const NODE: &str = "node-";
/// Parts of a prefix that would make keys of one prefix look like keys of another.
const RESERVED_PARTS: [&str; 8] = ["ctl", "ch", "meta", "once", "members", "until", "users", "probe"];
/// What stands between the prefix and a node's name.
const PROBE_MARK: &str = ":probe:";

/// What channels are called in one Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Names {
    /// What every name begins with.
    pub(crate) prefix: String,
    /// Whether names carry a hash tag.
    pub(crate) is_cluster: bool,
}

impl Names {
    /// Parses a prefix, or says what it should be.
    pub(crate) fn parse_prefix(text: &str) -> Result<String, String> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
        if text.is_empty() || text.len() > PREFIX_BYTES_MAX {
            return Err(format!("must have 1 to {PREFIX_BYTES_MAX} characters"));
        }
        if !text.bytes().all(allowed) {
            return Err("must consist of letters, digits, `-`, `_`, `.` and `:`".to_owned());
        }
        match text.split(':').find(|part| RESERVED_PARTS.contains(part)) {
            Some(part) => Err(format!("must not have `{part}` between colons")),
            None => Ok(text.to_owned()),
        }
    }

    /// The command that publishes.
    pub(crate) fn publish_command(&self) -> &'static str {
        if self.is_cluster { "SPUBLISH" } else { "PUBLISH" }
    }

    /// The command that subscribes, or the one that unsubscribes.
    pub(crate) fn subscribe_command(&self, subscribes: bool) -> &'static str {
        match (self.is_cluster, subscribes) {
            (false, true) => "SUBSCRIBE",
            (false, false) => "UNSUBSCRIBE",
            (true, true) => "SSUBSCRIBE",
            (true, false) => "SUNSUBSCRIBE",
        }
    }

    /// The name of a channel's pub/sub channel and history.
    pub(crate) fn channel_key(&self, channel: &ChannelName) -> Vec<u8> {
        let (open, close) = self.braces();
        if channel.is_of_nodes() {
            return [&self.prefix, NODES_MARK, open, NODES, close].concat().into_bytes();
        }
        if let Some(node) = channel.node() {
            return [&self.prefix, NODES_MARK, open, NODE, node, close].concat().into_bytes();
        }
        [&self.prefix, CHANNEL_MARK, open, channel.as_str(), close].concat().into_bytes()
    }

    /// The text of a channel's name, out of the name of its pub/sub channel.
    pub(crate) fn parse<'k>(&self, key: &'k [u8]) -> Option<Cow<'k, str>> {
        let (open, close) = self.braces();
        let behind = key.strip_prefix(self.prefix.as_bytes())?;
        let within = |name: &'k [u8]| name.strip_prefix(open.as_bytes())?.strip_suffix(close.as_bytes());
        match behind.strip_prefix(CHANNEL_MARK.as_bytes()) {
            Some(name) => std::str::from_utf8(within(name)?).ok().map(Cow::Borrowed),
            None => internal(std::str::from_utf8(within(behind.strip_prefix(NODES_MARK.as_bytes())?)?).ok()?),
        }
    }

    /// The name of the pub/sub channel of a node's probe; in a cluster with a hash tag, which alone decides upon
    /// the slot.
    pub(crate) fn probe(&self, node: &str, tag: Option<u32>) -> Vec<u8> {
        let plain = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
        let node = node.replace(|character| !plain(character), "-");
        let tag = tag.map(|tag| format!(":{{{tag}}}")).unwrap_or_default();
        [&self.prefix, PROBE_MARK, &node, &tag].concat().into_bytes()
    }

    fn braces(&self) -> (&'static str, &'static str) {
        if self.is_cluster { ("{", "}") } else { ("", "") }
    }
}

/// A channel that nodes alone use.
fn internal(name: &str) -> Option<Cow<'_, str>> {
    if name == NODES {
        return Some(Cow::Borrowed(ChannelName::OF_NODES));
    }
    name.strip_prefix(NODE).map(|node| Cow::Owned([ChannelName::OF_NODE, node].concat()))
}

/// The hash slot of a key: of what stands within its first braces, unless that is nothing.
pub(crate) fn slot(key: &[u8]) -> u16 {
    let tag = || {
        let open = key.iter().position(|byte| *byte == b'{')?;
        let rest = &key[open + 1..];
        let length = rest.iter().position(|byte| *byte == b'}').filter(|length| *length > 0)?;
        Some(&rest[..length])
    };
    crc16(tag().unwrap_or(key)) % SLOTS
}

/// CRC-16/XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |sum: u16, byte| (sum << 8) ^ CRC16_BY_BYTE[usize::from((sum >> 8) as u8 ^ byte)])
}

const CRC16_BY_BYTE: [u16; 256] = {
    const POLYNOMIAL: u16 = 0x1021;
    let mut sums = [0; 256];
    let mut byte = 0;
    while byte < sums.len() {
        let mut sum = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 0x8000 == 0 { sum << 1 } else { (sum << 1) ^ POLYNOMIAL };
            bit += 1;
        }
        sums[byte] = sum;
        byte += 1;
    }
    sums
};

#[cfg(test)]
mod tests {
    use model::ClientId;
    use proptest::prelude::*;

    use super::*;

    fn names(is_cluster: bool) -> Names {
        Names { prefix: "fanfare".to_owned(), is_cluster }
    }

    #[test]
    fn a_channel_is_called_as_backends_call_it() {
        let news = ChannelName::parse("news").expect("a name");
        assert_eq!(names(false).channel_key(&news), b"fanfare:ch:news");
        assert_eq!(names(true).channel_key(&news), b"fanfare:ch:{news}");
    }

    #[test]
    fn the_channel_of_nodes_stands_apart() {
        let (nodes, same) = (ChannelName::of_nodes(), ChannelName::parse("nodes").expect("a name"));
        for (names, key) in
            [(names(false), &b"fanfare:ctl:ch:nodes"[..]), (names(true), b"fanfare:ctl:ch:{nodes}")]
        {
            assert_eq!(names.channel_key(&nodes), key);
            assert_eq!(names.parse(key).as_deref(), Some(nodes.as_str()));
            assert_eq!(names.parse(&names.channel_key(&same)).as_deref(), Some("nodes"));
        }
        assert_eq!(names(false).parse(b"fanfare:ctl:ch:others"), None);
        let node = ChannelName::of_node(ClientId::new(7));
        let key = names(true).channel_key(&node);
        assert_eq!(key, b"fanfare:ctl:ch:{node-00000000-0000-4000-8000-000000000007}");
        assert_eq!(names(true).parse(&key).as_deref(), Some(node.as_str()));
    }

    #[test]
    fn a_probe_is_called_after_its_node_and_is_no_channel() {
        assert_eq!(names(false).probe("3f", None), b"fanfare:probe:3f");
        let probe = names(true).probe("a{b}:ch:c", Some(17));
        assert_eq!(probe, b"fanfare:probe:a-b--ch-c:{17}");
        assert_eq!(slot(&probe), slot(b"17"));
        assert_eq!((names(true).parse(&probe), names(false).parse(b"fanfare:probe:3f")), (None, None));
    }

    #[test]
    fn other_names_are_none_of_ours() {
        assert_eq!(names(false).parse(b"fanfare:ch:news").as_deref(), Some("news"));
        for (is_cluster, key) in [
            (false, "fanfare:meta:news"),
            (false, "other:ch:news"),
            (false, "fanfare:ch"),
            (true, "fanfare:ch:news"),
            (true, "fanfare:ch:{news"),
            (true, "fanfare:ch:{"),
        ] {
            assert_eq!(names(is_cluster).parse(key.as_bytes()), None, "{key}");
        }
        assert_eq!(names(false).parse(b"fanfare:ch:\xff"), None);
    }

    #[test]
    fn a_prefix_cannot_be_mistaken_for_another() {
        for text in ["fanfare", "a", "prod:fanfare-2_b.c", "channel:x", &"x".repeat(64)] {
            assert_eq!(Names::parse_prefix(text).as_deref(), Ok(text));
        }
        for text in [
            "",
            "a b",
            "a{b",
            "a}b",
            "é",
            "a:ch:b",
            "a:ch",
            "ch",
            "a:meta",
            "once:a",
            "members",
            "a:until:b",
            "users:a",
            "a:probe",
            &"x".repeat(65),
        ] {
            assert!(Names::parse_prefix(text).is_err(), "{text}");
        }
    }

    #[test]
    fn slots_are_those_of_redis_cluster() {
        for (key, expected) in
            [("123456789", 12_739), ("", 0), ("foo{bar}zap", 5061), ("bar", 5061), ("foo", 12_182)]
        {
            assert_eq!(slot(key.as_bytes()), expected, "{key}");
        }
        assert_eq!(slot(b"foo{{bar}}zap"), slot(b"{bar"));
        assert_eq!(slot(b"{user1000}.following"), slot(b"{user1000}.followers"));
        assert_eq!(slot(b"foo{}{bar}"), crc16(b"foo{}{bar}") % SLOTS);
        assert_eq!(slot(b"foo{bar"), crc16(b"foo{bar") % SLOTS);
    }

    proptest! {
        #[test]
        fn a_name_survives_its_key(name in "[ -z|~]{1,255}", is_cluster: bool) {
            let names = names(is_cluster);
            let key = names.channel_key(&ChannelName::parse(&name).expect("a name"));
            let parsed = names.parse(&key);
            prop_assert_eq!(parsed.as_deref(), Some(&*name));
            if is_cluster {
                prop_assert_eq!(slot(&key), slot(name.as_bytes()));
            }
        }
    }
}
