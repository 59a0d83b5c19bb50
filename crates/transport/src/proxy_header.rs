//! The header by which a proxy says, before anything else on a connection, whose connection it passes on: the PROXY
//! protocol, versions 1 and 2. Bytes in, an address out; knows no socket. Whoever sends it may be hostile.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use model::limits::PROXY_HEADER_BYTES_MAX as BYTES_MAX;

const SIGNATURE_V2: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, command, family, length.
const FIXED_V2: usize = 16;
const START_V1: &[u8] = b"PROXY ";
/// The longest line of version 1, its end included.
const LINE_BYTES_MAX: usize = 107;

/// What bytes turned out to be the beginning of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Header {
    /// Of a header that is not whole yet.
    Unfinished,
    /// Of a header of so many bytes, which names the client's address, or none: then the connection is the proxy's
    /// own, or of a kind that has no address.
    Whole { length: usize, client: Option<IpAddr> },
    /// Of something else.
    Wrong,
}

impl Header {
    /// Reads what has come so far. More bytes never change an answer other than [`Self::Unfinished`].
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let begins = |expected: &[u8]| bytes.iter().zip(expected).all(|(one, other)| one == other);
        if begins(SIGNATURE_V2) {
            return if bytes.len() < FIXED_V2 { Self::Unfinished } else { binary(bytes) };
        }
        if !begins(START_V1) {
            return Self::Wrong;
        }
        match bytes.iter().take(LINE_BYTES_MAX).position(|byte| *byte == b'\n') {
            Some(end) => line(&bytes[..=end]).unwrap_or(Self::Wrong),
            None if bytes.len() < LINE_BYTES_MAX => Self::Unfinished,
            None => Self::Wrong,
        }
    }
}

/// Version 1: a line of text.
fn line(bytes: &[u8]) -> Option<Header> {
    let text = std::str::from_utf8(bytes).ok()?.strip_suffix("\r\n")?;
    let words: Vec<&str> = text.split(' ').collect();
    let client: Option<IpAddr> = match words.as_slice() {
        ["PROXY", "UNKNOWN", ..] => None,
        ["PROXY", "TCP4", source, destination, ports @ ..] => {
            let source: Ipv4Addr = address(source, destination)?;
            require_ports(ports)?;
            Some(source.into())
        }
        ["PROXY", "TCP6", source, destination, ports @ ..] => {
            let source: Ipv6Addr = address(source, destination)?;
            require_ports(ports)?;
            Some(source.into())
        }
        _ => return None,
    };
    Some(Header::Whole { length: bytes.len(), client })
}

/// The source, if both are addresses.
fn address<T: FromStr>(source: &str, destination: &str) -> Option<T> {
    let [source, _] = [source.parse().ok()?, destination.parse::<T>().ok()?];
    Some(source)
}

/// Two ports in decimal digits, without needless zeros.
fn require_ports(words: &[&str]) -> Option<()> {
    let is_port = |word: &&str| word.parse::<u16>().is_ok_and(|port| port.to_string() == **word);
    (words.len() == 2 && words.iter().all(is_port)).then_some(())
}

/// Version 2: a fixed part, then addresses, then extensions, which are passed over.
fn binary(bytes: &[u8]) -> Header {
    const LOCAL: u8 = 0x20;
    const PROXIED: u8 = 0x21;
    let (command, family) = (bytes[12], bytes[13]);
    let length = FIXED_V2 + usize::from(u16::from_be_bytes([bytes[14], bytes[15]]));
    // Bytes of both addresses and ports. What comes by datagrams or in ways to come is no connection of ours.
    let addresses = match (command, family) {
        // Its own connection may say nothing, or anything.
        (LOCAL, _) | (PROXIED, 0x00) => 0,
        (PROXIED, 0x11) => 12,
        (PROXIED, 0x21) => 36,
        (PROXIED, 0x31) => 216,
        _ => return Header::Wrong,
    };
    if length < FIXED_V2 + addresses || length > BYTES_MAX {
        return Header::Wrong;
    }
    let Some(rest) = bytes.get(FIXED_V2..length) else {
        return Header::Unfinished;
    };
    let client = match (command, family) {
        (PROXIED, 0x11) => rest.first_chunk::<4>().map(|octets| IpAddr::from(*octets)),
        (PROXIED, 0x21) => rest.first_chunk::<16>().map(|octets| IpAddr::from(*octets)),
        _ => None,
    };
    Header::Whole { length, client }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_names_the_client() {
        for (line, client) in [
            ("PROXY TCP4 192.0.2.7 198.51.100.1 56324 443", Some("192.0.2.7")),
            ("PROXY TCP6 2001:db8::7 ::1 0 65535", Some("2001:db8::7")),
            ("PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2", Some("::ffff:192.0.2.7")),
            ("PROXY UNKNOWN", None),
            ("PROXY UNKNOWN ffff::1 what ever", None),
        ] {
            let bytes = format!("{line}\r\n");
            check(bytes.as_bytes(), client.map(|client| client.parse().expect("an address")));
        }
    }

    #[test]
    fn a_line_that_is_not_as_written_is_wrong() {
        let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(LINE_BYTES_MAX));
        for wrong in [
            "GET / HTTP/1.1\r\n",
            "proxy TCP4 192.0.2.7 198.51.100.1 1 2\r\n",
            "PROXY TCP4 192.0.2.7 198.51.100.1 1 2\n",
            "PROXY  TCP4 192.0.2.7 198.51.100.1 1 2\r\n",
            "PROXY TCP4 192.0.2.7 198.51.100.1 1 2 \r\n",
            "PROXY TCP4 192.0.2.7 198.51.100.1 1\r\n",
            "PROXY TCP4 192.0.2.7 198.51.100.1 1 2 3\r\n",
            "PROXY TCP4 192.0.2.07 198.51.100.1 1 2\r\n",
            "PROXY TCP4 192.0.2.7 198.51.100.256 1 2\r\n",
            "PROXY TCP4 2001:db8::7 ::1 1 2\r\n",
            "PROXY TCP6 192.0.2.7 198.51.100.1 1 2\r\n",
            "PROXY TCP4 192.0.2.7 198.51.100.1 01 2\r\n",
            "PROXY TCP4 192.0.2.7 198.51.100.1 +1 2\r\n",
            "PROXY TCP4 192.0.2.7 198.51.100.1 1 65536\r\n",
            "PROXY UDP4 192.0.2.7 198.51.100.1 1 2\r\n",
            "PROXY UNKNOWNS\r\n",
            "PROXY \r\n",
            &long,
        ] {
            assert_eq!(Header::parse(wrong.as_bytes()), Header::Wrong, "{wrong:?}");
        }
    }

    #[test]
    fn a_binary_header_names_the_client_whatever_extensions_follow() {
        let v4 = [192, 0, 2, 7, 198, 51, 100, 1, 0xdc, 4, 1, 0xbb];
        let v6: Vec<u8> = (1..=36).collect();
        let client_v6: IpAddr = <[u8; 16]>::try_from(&v6[..16]).expect("sixteen").into();
        for extensions in [0, 1, 100, BYTES_MAX - FIXED_V2 - 36] {
            let more = vec![7; extensions];
            check(&header(0x21, 0x11, &[&v4, &more]), Some([192, 0, 2, 7].into()));
            check(&header(0x21, 0x21, &[&v6, &more]), Some(client_v6));
            check(&header(0x21, 0x00, &[&more]), None);
            check(&header(0x20, 0x11, &[&v4, &more]), None);
            check(&header(0x20, 0x41, &[&more]), None);
        }
        check(&header(0x21, 0x31, &[&[b'/'; 216]]), None);
        check(&header(0x20, 0x00, &[]), None);
    }

    #[test]
    fn a_binary_header_that_is_not_as_written_is_wrong() {
        let v4 = [0; 12];
        let too_long = [0; BYTES_MAX - FIXED_V2 + 1];
        for (wrong, what) in [
            (header(0x11, 0x11, &[&v4]), "another version"),
            (header(0x22, 0x11, &[&v4]), "an unknown command"),
            (header(0x21, 0x12, &[&v4]), "datagrams"),
            (header(0x21, 0x41, &[&v4]), "an unknown family"),
            (header(0x21, 0x11, &[&v4[1..]]), "an address cut short"),
            (header(0x21, 0x21, &[&v4]), "an address cut short"),
            (header(0x21, 0x11, &[&too_long]), "extensions without end"),
        ] {
            assert_eq!(Header::parse(&wrong), Header::Wrong, "{what}");
            // Known at once: nothing more is waited for.
            assert_eq!(Header::parse(&wrong[..FIXED_V2]), Header::Wrong, "{what}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_alike_in_pieces(start in 0..4, noise in prop::collection::vec(any::<u8>(), 0..600)) {
            let mut bytes = match start {
                0 => Vec::new(),
                1 => START_V1.to_vec(),
                2 => b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 44".to_vec(),
                _ => SIGNATURE_V2.to_vec(),
            };
            bytes.extend(noise);
            let all = Header::parse(&bytes);
            for end in 0..=bytes.len() {
                match Header::parse(&bytes[..end]) {
                    Header::Unfinished => prop_assert!(end < BYTES_MAX),
                    Header::Whole { length, .. } => prop_assert!(length <= end && length <= BYTES_MAX),
                    Header::Wrong => prop_assert_eq!(all, Header::Wrong),
                }
                if Header::parse(&bytes[..end]) != Header::Unfinished {
                    prop_assert_eq!(Header::parse(&bytes[..end]), all);
                }
            }
        }

        #[test]
        fn every_address_is_read_back(v6: bool, octets: [u8; 36], port: u16, extensions in 0_usize..400) {
            let (family, length) = if v6 { (0x21, 36) } else { (0x11, 12) };
            let bytes = header(0x21, family, &[&octets[..length], &vec![0; extensions]]);
            let (client, name) = if v6 {
                (IpAddr::from(*octets.first_chunk::<16>().expect("enough")), "TCP6")
            } else {
                (IpAddr::from(*octets.first_chunk::<4>().expect("enough")), "TCP4")
            };
            let whole = Header::Whole { length: bytes.len(), client: Some(client) };
            prop_assert_eq!(Header::parse(&bytes), whole);
            let line = format!("PROXY {name} {client} {client} {port} {port}\r\n");
            let whole = Header::Whole { length: line.len(), client: Some(client) };
            prop_assert_eq!(Header::parse(line.as_bytes()), whole);
        }
    }

    /// A header is whole with its last byte and not before, and what follows it is not looked at.
    fn check(header: &[u8], client: Option<IpAddr>) {
        for end in 0..header.len() {
            assert_eq!(Header::parse(&header[..end]), Header::Unfinished, "{end} of {header:?}");
        }
        let followed = [header, b"PROXY \r\n\r\n"].concat();
        for bytes in [header, &followed] {
            assert_eq!(Header::parse(bytes), Header::Whole { length: header.len(), client }, "{header:?}");
        }
    }

    fn header(command: u8, family: u8, rest: &[&[u8]]) -> Vec<u8> {
        let rest = rest.concat();
        let length = u16::try_from(rest.len()).expect("short").to_be_bytes();
        [SIGNATURE_V2, &[command, family][..], &length, &rest].concat()
    }
}
