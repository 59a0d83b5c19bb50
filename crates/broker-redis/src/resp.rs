//! An incremental parser of what Redis says on a connection that only subscribes, in the protocol's second
//! version. Hands out slices of the buffer it is given; owns nothing and reads nothing.

/// Longest line that is not a payload or a name: an error's text.
const LINE_BYTES_MAX: usize = 4096;
/// Most digits of a length or a count.
const DIGITS_MAX: usize = 10;
/// Longest name of a kind of push.
const KIND_BYTES_MAX: usize = "sunsubscribe".len();
/// How nearly every push begins.
const MESSAGE_HEAD: &[u8] = b"*3\r\n$7\r\nmessage\r\n";

/// One thing that Redis says on a pub/sub connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Push<'b> {
    /// Something was published to a channel.
    Published {
        /// The channel's name in Redis.
        channel: &'b [u8],
        /// What was published.
        payload: &'b [u8],
    },
    /// A subscription is in force.
    Confirmed {
        /// The channel's name in Redis.
        channel: &'b [u8],
    },
    /// A subscription is over, asked for or not.
    Ended {
        /// The channel's name in Redis; empty when there was none to end.
        channel: &'b [u8],
        /// Whether it was one of sharded pub/sub.
        is_sharded: bool,
    },
    /// The answer to a ping.
    Pong,
    /// The answer to a command that succeeded.
    Ok,
    /// The answer to a command that failed: code and text.
    Error(&'b [u8]),
}

/// What a buffer begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parsed<'b> {
    /// Only a part of a push.
    Incomplete {
        /// Bytes that the buffer must hold at least before another look can find more.
        wants: usize,
    },
    /// A whole push.
    Push {
        /// What it says.
        push: Push<'b>,
        /// How many bytes it takes.
        consumed: usize,
    },
}

/// Why bytes are nothing that Redis says on such a connection, which is of no use any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Malformed(pub(crate) &'static str);

/// Why a cursor cannot go on.
enum Halt {
    Wants(usize),
    Malformed(&'static str),
}

/// Parses the first push of a buffer. Names and payloads longer than `bulk_bytes_max` are malformed.
pub(crate) fn parse(buffer: &[u8], bulk_bytes_max: usize) -> Result<Parsed<'_>, Malformed> {
    let mut cursor = Cursor { buffer, at: 0, bulk_bytes_max };
    match cursor.push() {
        Ok(push) => Ok(Parsed::Push { push, consumed: cursor.at }),
        Err(Halt::Wants(wants)) => Ok(Parsed::Incomplete { wants }),
        Err(Halt::Malformed(reason)) => Err(Malformed(reason)),
    }
}

struct Cursor<'b> {
    buffer: &'b [u8],
    at: usize,
    bulk_bytes_max: usize,
}

impl<'b> Cursor<'b> {
    fn push(&mut self) -> Result<Push<'b>, Halt> {
        if self.buffer.starts_with(MESSAGE_HEAD) {
            self.at = MESSAGE_HEAD.len();
            return self.published();
        }
        match self.byte()? {
            b'*' => self.array(),
            b'+' => match self.line()? {
                b"OK" => Ok(Push::Ok),
                b"PONG" => Ok(Push::Pong),
                _ => Err(Halt::Malformed("unknown status")),
            },
            b'-' => Ok(Push::Error(self.line()?)),
            _ => Err(Halt::Malformed("unknown type")),
        }
    }

    fn array(&mut self) -> Result<Push<'b>, Halt> {
        let count = self.number()?;
        if !matches!(count, 2 | 3) {
            return Err(Halt::Malformed("unknown count of parts"));
        }
        let kind = self.bulk(KIND_BYTES_MAX)?.ok_or(Halt::Malformed("push without a kind"))?;
        match (count, kind) {
            (3, b"message" | b"smessage") => self.published(),
            (3, b"subscribe" | b"ssubscribe") => {
                let channel = self.name()?;
                self.subscriptions()?;
                Ok(Push::Confirmed { channel })
            }
            (3, b"unsubscribe" | b"sunsubscribe") => {
                let channel = self.bulk(self.bulk_bytes_max)?.unwrap_or_default();
                self.subscriptions()?;
                Ok(Push::Ended { channel, is_sharded: kind.starts_with(b"su") })
            }
            (2, b"pong") => self.bulk(self.bulk_bytes_max).map(|_| Push::Pong),
            _ => Err(Halt::Malformed("unknown kind of push")),
        }
    }

    fn published(&mut self) -> Result<Push<'b>, Halt> {
        let channel = self.name()?;
        let payload = self.bulk(self.bulk_bytes_max)?.ok_or(Halt::Malformed("push without a payload"))?;
        Ok(Push::Published { channel, payload })
    }

    fn name(&mut self) -> Result<&'b [u8], Halt> {
        self.bulk(self.bulk_bytes_max)?.ok_or(Halt::Malformed("push without a channel"))
    }

    /// How many subscriptions the connection has.
    fn subscriptions(&mut self) -> Result<(), Halt> {
        match self.byte()? {
            b':' => self.number().map(|_| ()),
            _ => Err(Halt::Malformed("push without a count")),
        }
    }

    /// A string with its length before it, or none.
    #[inline]
    fn bulk(&mut self, bytes_max: usize) -> Result<Option<&'b [u8]>, Halt> {
        if self.byte()? != b'$' {
            return Err(Halt::Malformed("part of another type"));
        }
        if self.peek()? == b'-' {
            self.at += 1;
            return match self.number()? {
                1 => Ok(None),
                _ => Err(Halt::Malformed("negative length")),
            };
        }
        let length = self.number()?;
        if length > bytes_max {
            return Err(Halt::Malformed("part longer than allowed"));
        }
        let end = self.at + length;
        let Some(break_after) = self.buffer.get(end..end + 2) else {
            return Err(Halt::Wants(end + 2));
        };
        if break_after != b"\r\n" {
            return Err(Halt::Malformed("length that is not true"));
        }
        let text = &self.buffer[self.at..end];
        self.at = end + 2;
        Ok(Some(text))
    }

    /// Digits and the line break after them.
    #[inline]
    fn number(&mut self) -> Result<usize, Halt> {
        let mut number = 0_u64;
        let first = self.at;
        loop {
            match self.byte()? {
                digit @ b'0'..=b'9' if self.at - first <= DIGITS_MAX => {
                    number = number * 10 + u64::from(digit - b'0');
                }
                b'\r' if self.at - first > 1 => break,
                _ => return Err(Halt::Malformed("no number")),
            }
        }
        match self.byte()? {
            b'\n' => usize::try_from(number).map_err(|_| Halt::Malformed("no number")),
            _ => Err(Halt::Malformed("no line break")),
        }
    }

    /// The rest of a line.
    fn line(&mut self) -> Result<&'b [u8], Halt> {
        let rest = &self.buffer[self.at..];
        let Some(length) = rest.iter().take(LINE_BYTES_MAX + 1).position(|byte| *byte == b'\r') else {
            let is_bounded = rest.len() <= LINE_BYTES_MAX;
            let wants = Halt::Wants(self.buffer.len() + 1);
            return Err(if is_bounded { wants } else { Halt::Malformed("endless line") });
        };
        self.at += length + 1;
        match self.byte()? {
            b'\n' => Ok(&rest[..length]),
            _ => Err(Halt::Malformed("no line break")),
        }
    }

    #[inline]
    fn byte(&mut self) -> Result<u8, Halt> {
        let byte = self.peek()?;
        self.at += 1;
        Ok(byte)
    }

    #[inline]
    fn peek(&self) -> Result<u8, Halt> {
        self.buffer.get(self.at).copied().ok_or(Halt::Wants(self.at + 1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BULK_BYTES_MAX: usize = 64;

    fn bulk(text: &[u8]) -> Vec<u8> {
        [format!("${}\r\n", text.len()).as_bytes(), text, b"\r\n"].concat()
    }

    fn published(kind: &str, channel: &[u8], payload: &[u8]) -> Vec<u8> {
        [b"*3\r\n".to_vec(), bulk(kind.as_bytes()), bulk(channel), bulk(payload)].concat()
    }

    fn whole(bytes: &[u8]) -> Push<'_> {
        match parse(bytes, BULK_BYTES_MAX) {
            Ok(Parsed::Push { push, consumed }) if consumed == bytes.len() => push,
            other => panic!("{other:?} of {:?}", String::from_utf8_lossy(bytes)),
        }
    }

    #[test]
    fn every_kind_of_push_is_understood() {
        let news: &[u8] = b"p:ch:news";
        let payload = b"{\"a\":\"\r\n\"}";
        for kind in ["message", "smessage"] {
            let bytes = published(kind, news, payload);
            assert_eq!(whole(&bytes), Push::Published { channel: news, payload });
        }
        for (bytes, push) in [
            ("*3\r\n$9\r\nsubscribe\r\n$9\r\np:ch:news\r\n:1\r\n", Push::Confirmed { channel: news }),
            ("*3\r\n$10\r\nssubscribe\r\n$9\r\np:ch:news\r\n:12\r\n", Push::Confirmed { channel: news }),
            (
                "*3\r\n$11\r\nunsubscribe\r\n$9\r\np:ch:news\r\n:0\r\n",
                Push::Ended { channel: news, is_sharded: false },
            ),
            (
                "*3\r\n$12\r\nsunsubscribe\r\n$9\r\np:ch:news\r\n:0\r\n",
                Push::Ended { channel: news, is_sharded: true },
            ),
            ("*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n", Push::Ended { channel: b"", is_sharded: false }),
            ("*2\r\n$4\r\npong\r\n$0\r\n\r\n", Push::Pong),
            ("+PONG\r\n", Push::Pong),
            ("+OK\r\n", Push::Ok),
            ("-MOVED 7365 127.0.0.1:7001\r\n", Push::Error(b"MOVED 7365 127.0.0.1:7001")),
        ] {
            assert_eq!(whole(bytes.as_bytes()), push, "{bytes:?}");
        }
    }

    #[test]
    fn what_redis_never_says_is_refused() {
        for bytes in [
            "$5\r\nhello\r\n",
            ":1\r\n",
            ">3\r\n",
            "+QUEUED\r\n",
            "*1\r\n",
            "*4\r\n$8\r\npmessage\r\n",
            "*-1\r\n",
            "*3\r\n$-1\r\n",
            "*3\r\n$8\r\npmessage\r\n",
            "*2\r\n$7\r\nmessage\r\n",
            "*3\r\n$7\r\nmessage\r\n$-1\r\n",
            "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$-1\r\n",
            "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n:1\r\n",
            "*3\r\n$7\r\nmessage\r\n$65\r\n",
            "*3\r\n$7\r\nmessage\r\n$99999999999",
            "*3\r\n$7\r\nmessage\r\n$1\r\nab\r",
            "*3\r\n$7\r\nmessage\r\n$-2\r\n",
            "*3\r\n$7\r\nmessage\r\n$\r\n",
            "*3\r\n$7\r\nmessage\r\n$1\rx",
            "*3\r\n$13\r\n",
            "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n$1\r\n",
            "-ERR\rx",
        ] {
            assert!(parse(bytes.as_bytes(), BULK_BYTES_MAX).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn a_line_ends_somewhere() {
        let error = [b"-".to_vec(), vec![b'x'; LINE_BYTES_MAX], b"\r\n".to_vec()].concat();
        assert_eq!(whole(&error), Push::Error(&error[1..=LINE_BYTES_MAX]));
        let endless = [b"-".to_vec(), vec![b'x'; LINE_BYTES_MAX + 1]].concat();
        assert_eq!(parse(&endless, BULK_BYTES_MAX), Err(Malformed("endless line")));
    }

    #[test]
    fn a_part_tells_how_much_more_it_wants() {
        let bytes = published("message", b"news", &[b'x'; 50]);
        let known = bytes.len() - 52;
        assert_eq!(parse(&bytes[..known], BULK_BYTES_MAX), Ok(Parsed::Incomplete { wants: bytes.len() }));
    }

    fn anything() -> impl Strategy<Value = Vec<u8>> {
        let kind = prop::sample::select(vec![
            "message",
            "smessage",
            "subscribe",
            "ssubscribe",
            "unsubscribe",
            "sunsubscribe",
            "pong",
            "pmessage",
        ]);
        let text = prop::collection::vec(any::<u8>(), 0..BULK_BYTES_MAX);
        let numbered = (kind.clone(), text.clone(), any::<u16>()).prop_map(|(kind, channel, count)| {
            let tail = format!(":{count}\r\n").into_bytes();
            [b"*3\r\n".to_vec(), bulk(kind.as_bytes()), bulk(&channel), tail].concat()
        });
        let payload = (kind, text.clone(), text.clone())
            .prop_map(|(kind, channel, payload)| published(kind, &channel, &payload));
        let noise = (prop::sample::select(b"*$:+->".to_vec()), text)
            .prop_map(|(first, rest)| [vec![first], rest].concat());
        prop_oneof![numbered, payload, noise, "[-+*$:0-9a-z\r\n]{0,40}".prop_map(String::into_bytes)]
    }

    proptest! {
        #[test]
        fn bytes_in_parts_say_what_they_say_at_once(
            parts in prop::collection::vec(anything(), 1..4),
            flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..2),
        ) {
            let mut bytes = parts.concat();
            for (place, byte) in flips {
                if !bytes.is_empty() {
                    let at = place.index(bytes.len());
                    bytes[at] = byte;
                }
            }
            let at_once = parse(&bytes, BULK_BYTES_MAX);
            let mut wanted = 0;
            for length in 0..=bytes.len() {
                match parse(&bytes[..length], BULK_BYTES_MAX) {
                    Ok(Parsed::Incomplete { wants }) => {
                        prop_assert!(wants > length);
                        prop_assert!(wants >= wanted, "less is wanted than before");
                        wanted = wants;
                    }
                    outcome => {
                        prop_assert!(length >= wanted, "{} were enough, {} were wanted", length, wanted);
                        prop_assert_eq!(outcome, at_once);
                        return Ok(());
                    }
                }
            }
            let is_incomplete = matches!(at_once, Ok(Parsed::Incomplete { .. }));
            prop_assert!(is_incomplete);
        }
    }
}
