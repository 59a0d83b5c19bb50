//! The bytes of the native protocol over WebSocket, as far as a load generator needs them: upgrade request,
//! masked client frames, server frames, and the three kinds of messages in them. No sockets.

use crate::payload;

/// Larger server frames than this are refused: nothing the bench asks for comes near it.
pub(crate) const FRAME_MAX: usize = 1 << 20;

const TEXT: u8 = 0x1;
/// The node unmasks whatever the key is; masking protects proxies, of which there are none here.
const MASK: [u8; 4] = [0x5a, 0xa5, 0x3c, 0xc3];

/// A control frame or message of the server, whole.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ServerFrame<'a> {
    pub(crate) opcode: Opcode,
    pub(crate) payload: &'a [u8],
    /// Head and payload.
    pub(crate) bytes: &'a [u8],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opcode {
    Text,
    Close,
    Ping,
    Pong,
}

/// One line of a text frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Message<'a> {
    Ping,
    Reply { id: u32, code: u32 },
    Push { stamp: u64 },
    Unsubscribed { code: u32, channel: &'a [u8] },
}

/// The first whole frame in `bytes`; `None` if more bytes are needed.
pub(crate) fn scan(bytes: &[u8]) -> Result<Option<ServerFrame<'_>>, String> {
    let (&[first, second], rest) = match bytes.split_first_chunk::<2>() {
        Some(split) => split,
        None => return Ok(None),
    };
    if first & 0x80 == 0 || first & 0x70 != 0 || second & 0x80 != 0 {
        return Err(format!("a fragmented, extended or masked frame ({first:#x} {second:#x})"));
    }
    let opcode = match first & 0x0f {
        TEXT => Opcode::Text,
        0x8 => Opcode::Close,
        0x9 => Opcode::Ping,
        0xa => Opcode::Pong,
        other => return Err(format!("a frame with opcode {other:#x}")),
    };
    let (head, length) = match second {
        126 => match rest.first_chunk::<2>() {
            Some(length) => (4, usize::from(u16::from_be_bytes(*length))),
            None => return Ok(None),
        },
        127 => match rest.first_chunk::<8>() {
            Some(length) => (10, usize::try_from(u64::from_be_bytes(*length)).unwrap_or(usize::MAX)),
            None => return Ok(None),
        },
        short => (2, usize::from(short)),
    };
    if length > FRAME_MAX {
        return Err(format!("a frame of {length} bytes"));
    }
    Ok(bytes.get(..head + length).map(|whole| ServerFrame { opcode, payload: &whole[head..], bytes: whole }))
}

/// Says what one line of a text frame is. Relies on `id` and `push` standing first, as every server of this
/// protocol writes them, and so never parses JSON.
pub(crate) fn classify(line: &[u8]) -> Result<Message<'_>, String> {
    if line.starts_with(b"{\"push\":") {
        let message = match payload::stamp_in(line) {
            Some(stamp) => Some(Message::Push { stamp }),
            None => unsubscribed(line),
        };
        return message.ok_or_else(|| format!("an unexpected push: {}", excerpt(line)));
    }
    if line == b"{}" {
        return Ok(Message::Ping);
    }
    let unknown = || format!("an unknown message: {}", excerpt(line));
    let rest = line.strip_prefix(b"{\"id\":").ok_or_else(unknown)?;
    let (id, rest) = number(rest).ok_or_else(unknown)?;
    let code = match rest.strip_prefix(b",\"error\":{\"code\":") {
        Some(error) => number(error).ok_or_else(unknown)?.0,
        None => 0,
    };
    Ok(Message::Reply { id, code })
}

fn unsubscribed(line: &[u8]) -> Option<Message<'_>> {
    let rest = line.strip_prefix(b"{\"push\":{\"channel\":\"")?;
    let (channel, rest) = rest.split_at(rest.iter().position(|byte| *byte == b'"')?);
    let (code, _) = number(rest.strip_prefix(b"\",\"unsubscribe\":{\"code\":")?)?;
    Some(Message::Unsubscribed { code, channel })
}

/// The upgrade request, which a connection sends as soon as it is connected.
pub(crate) fn upgrade(host: &str, path: &str, origin: Option<&str>) -> Vec<u8> {
    let origin = origin.map(|origin| format!("Origin: {origin}\r\n")).unwrap_or_default();
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\n{origin}Connection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ZmFuZmFyZSBiZW5jaCBrZQ==\r\n\r\n"
    )
    .into_bytes()
}

/// Connect and subscribe in one frame, as client libraries pipeline them.
pub(crate) fn join(token: &str, channel: Option<&str>) -> Vec<u8> {
    let mut lines = format!("{{\"id\":1,\"connect\":{{\"token\":\"{token}\"}}}}");
    if let Some(channel) = channel {
        lines.push('\n');
        lines.push_str(&subscribe(2, channel));
    }
    text(lines.as_bytes())
}

/// The command `subscribe`, not yet framed.
pub(crate) fn subscribe(id: u32, channel: &str) -> String {
    format!("{{\"id\":{id},\"subscribe\":{{\"channel\":\"{channel}\"}}}}")
}

/// The command `publish`, not yet framed.
pub(crate) fn publish(id: u32, channel: &str, data: &str) -> String {
    format!("{{\"id\":{id},\"publish\":{{\"channel\":\"{channel}\",\"data\":{data}}}}}")
}

/// A masked text frame.
pub(crate) fn text(payload: &[u8]) -> Vec<u8> {
    masked(TEXT, payload)
}

/// The answer to a WebSocket ping.
pub(crate) fn pong(payload: &[u8]) -> Vec<u8> {
    masked(0xa, payload)
}

/// An unmasked text frame, as servers send it.
#[cfg(test)]
pub(crate) fn server_text(payload: &[u8]) -> Vec<u8> {
    let mut frame = head(TEXT, 0, payload.len());
    frame.extend_from_slice(payload);
    frame
}

/// Code and reason of a close frame's payload.
pub(crate) fn closed(payload: &[u8]) -> String {
    match payload.split_first_chunk::<2>() {
        Some((code, reason)) => format!("closed with {} {}", u16::from_be_bytes(*code), excerpt(reason)),
        None => "closed without a code".to_owned(),
    }
}

/// The beginning of what was received, fit for an error message.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).trim().to_owned()
}

fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = head(opcode, 0x80, payload.len());
    frame.extend_from_slice(&MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

fn head(opcode: u8, mask_bit: u8, length: usize) -> Vec<u8> {
    let mut head = Vec::with_capacity(length + 14);
    head.push(0x80 | opcode);
    if let Ok(short @ 0..=125) = u8::try_from(length) {
        head.push(mask_bit | short);
    } else if let Ok(medium) = u16::try_from(length) {
        head.push(mask_bit | 126);
        head.extend_from_slice(&medium.to_be_bytes());
    } else {
        head.push(mask_bit | 127);
        head.extend_from_slice(&(length as u64).to_be_bytes());
    }
    head
}

fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let end = bytes.iter().take(10).take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = bytes.split_at(end);
    Some((std::str::from_utf8(digits).ok()?.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_split_at_every_byte_is_whole_only_at_its_end() {
        for length in [0, 1, 125, 126, 300, 65_535, 65_536] {
            let payload = vec![b'x'; length];
            let frame = server_text(&payload);
            let mut stream = frame.clone();
            stream.extend_from_slice(b"\x81\x02{}");
            let splits = (0..frame.len().min(20)).chain([frame.len() - 1]).filter(|at| *at < frame.len());
            for split in splits {
                assert_eq!(scan(&stream[..split]).unwrap(), None, "{split} of {}", frame.len());
            }
            let whole = scan(&stream).unwrap().unwrap();
            assert_eq!((whole.opcode, whole.payload, whole.bytes), (Opcode::Text, &payload[..], &frame[..]));
        }
    }

    #[test]
    fn what_a_server_must_not_send_is_refused() {
        for wrong in [&b"\x01\x01a"[..], b"\xc1\x01a", b"\x81\x81aaaaa", b"\x80\x01a", b"\x82\x01a"] {
            assert!(scan(wrong).is_err(), "{wrong:?}");
        }
        let mut endless = vec![0x81, 127];
        endless.extend_from_slice(&u64::MAX.to_be_bytes());
        assert!(scan(&endless).is_err());
    }

    #[test]
    fn lines_are_told_apart() {
        assert_eq!(classify(b"{}"), Ok(Message::Ping));
        assert_eq!(classify(b"{\"id\":2,\"subscribe\":{}}"), Ok(Message::Reply { id: 2, code: 0 }));
        let refused = b"{\"id\":71,\"error\":{\"code\":108,\"message\":\"not available\"}}";
        assert_eq!(classify(refused), Ok(Message::Reply { id: 71, code: 108 }));
        let push = b"{\"push\":{\"channel\":\"a\",\"pub\":{\"data\":{\"t\":1000000000000007,\"p\":\"\"}}}}";
        assert_eq!(classify(push), Ok(Message::Push { stamp: 1_000_000_000_000_007 }));
        let told = b"{\"push\":{\"channel\":\"a\",\"unsubscribe\":{\"code\":2500,\"reason\":\"x\"}}}";
        assert_eq!(classify(told), Ok(Message::Unsubscribed { code: 2500, channel: b"a" }));
        assert!(classify(b"{\"push\":{\"channel\":\"a\",\"join\":{}}}").is_err());
        assert!(classify(b"hello").is_err());
    }

    #[test]
    fn a_masked_frame_unmasks_to_its_payload() {
        let frame = text(b"{\"id\":1}");
        assert_eq!(frame[..2], [0x81, 0x88]);
        let payload: Vec<u8> =
            frame[6..].iter().zip(frame[2..6].iter().cycle()).map(|(a, b)| a ^ b).collect();
        assert_eq!(payload, b"{\"id\":1}");
    }

    #[test]
    fn a_close_says_its_code() {
        assert_eq!(closed(b"\x0b\xc0shutdown"), "closed with 3008 shutdown");
        assert_eq!(closed(b""), "closed without a code");
    }
}
