//! HTTP/1.1 as bytes: requests to the server API, and the scanner for response heads and bodies. No sockets.

use std::net::SocketAddr;

/// Longest head and longest body of a response.
const HEAD_MAX: usize = 16 << 10;
const BODY_MAX: usize = 1 << 20;

/// The start of a response.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    /// Bytes up to and including the empty line.
    pub(crate) length: usize,
    /// What `Content-Length` says; 0 without it.
    pub(crate) body: usize,
}

/// Who is asked, and with which key.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) address: SocketAddr,
    pub(crate) key: String,
}

impl Api {
    /// One publication to `channel`.
    pub(crate) fn publish(&self, channel: &str, data: &str) -> Vec<u8> {
        self.post("publish", &publication(channel, data))
    }

    /// `count` equal publications to `channel` in one request.
    pub(crate) fn batch(&self, channel: &str, data: &str, count: usize) -> Vec<u8> {
        let command = format!("{{\"publish\":{}}}", publication(channel, data));
        self.post("batch", &format!("{{\"commands\":[{}]}}", vec![command; count].join(",")))
    }

    fn post(&self, method: &str, body: &str) -> Vec<u8> {
        format!(
            "POST /api/{method} HTTP/1.1\r\nHost: {}\r\nX-API-Key: {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.address,
            self.key,
            body.len()
        )
        .into_bytes()
    }
}

/// The head of a response once it is whole; `None` if more bytes are needed.
pub(crate) fn scan_head(bytes: &[u8]) -> Result<Option<Head>, String> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        if bytes.len() > HEAD_MAX {
            return Err("an endless response head".to_owned());
        }
        return Ok(None);
    };
    let text =
        std::str::from_utf8(&bytes[..end]).map_err(|_| "a response head that is no text".to_owned())?;
    let mut lines = text.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.strip_prefix("HTTP/1."))
        .and_then(|line| line.get(2..5))
        .and_then(|status| status.parse().ok())
        .ok_or_else(|| "a response without a status".to_owned())?;
    let mut body = 0;
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            body = value.trim().parse().map_err(|_| format!("a Content-Length of{value}"))?;
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(format!("Transfer-Encoding:{value}, which the bench does not read"));
        }
    }
    if body > BODY_MAX {
        return Err(format!("a response body of {body} bytes"));
    }
    Ok(Some(Head { status, length: end + 4, body }))
}

fn publication(channel: &str, data: &str) -> String {
    format!("{{\"channel\":\"{channel}\",\"data\":{data}}}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_split_at_every_byte_is_whole_only_at_its_end() {
        let response = b"HTTP/1.1 200 OK\r\nContent-Type: a\r\ncontent-length: 13\r\n\r\n{\"result\":{}}";
        let head = response.len() - 13;
        for split in 0..head {
            assert_eq!(scan_head(&response[..split]).unwrap(), None, "{split}");
        }
        for split in head..=response.len() {
            let whole = Head { status: 200, length: head, body: 13 };
            assert_eq!(scan_head(&response[..split]).unwrap(), Some(whole));
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        assert!(scan_head(b"SSH-2.0-x\r\n\r\n").is_err());
        assert!(scan_head(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").is_err());
        assert!(scan_head(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n").is_err());
        assert!(scan_head(&vec![b'x'; HEAD_MAX + 1]).is_err());
    }

    #[test]
    fn a_batch_is_one_request_with_the_length_of_its_body() {
        let api = Api { address: "127.0.0.1:9000".parse().unwrap(), key: "k".to_owned() };
        let request = String::from_utf8(api.batch("a", "{}", 2)).unwrap();
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())));
        let one = "{\"publish\":{\"channel\":\"a\",\"data\":{}}}";
        assert_eq!(body, format!("{{\"commands\":[{one},{one}]}}"));
    }
}
