//! Commands as bytes, for connections that the `redis` crate does not serve.

use std::io::Write as _;

/// Appends a command.
pub(crate) fn command(parts: &[&[u8]], out: &mut Vec<u8>) {
    head(parts.len(), out);
    parts.iter().for_each(|part| bulk(part, out));
}

/// Appends the begin of a command of so many parts.
pub(crate) fn head(parts: usize, out: &mut Vec<u8>) {
    write!(out, "*{parts}\r\n").expect("a vector takes all");
}

/// Appends a part of a command.
pub(crate) fn bulk(part: &[u8], out: &mut Vec<u8>) {
    write!(out, "${}\r\n", part.len()).expect("a vector takes all");
    out.extend_from_slice(part);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_a_list_of_parts_with_their_lengths() {
        let mut out = Vec::new();
        command(&[b"SUBSCRIBE", b"a\r\n"], &mut out);
        assert_eq!(out, b"*2\r\n$9\r\nSUBSCRIBE\r\n$3\r\na\r\n\r\n");
    }
}
