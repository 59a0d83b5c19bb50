//! Reads the header of a proxy from a socket, and leaves what follows it to HTTP.

use std::net::IpAddr;

use model::limits::PROXY_HEADER_BYTES_MAX;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::proxy_header::Header;

/// Reads the header and not a byte more. The client's address that it names, else that of the socket's own peer;
/// `None` if there is no header. Whoever waits sets the deadline.
pub(crate) async fn client_address(stream: &mut TcpStream, peer: IpAddr) -> Option<IpAddr> {
    let mut bytes = [0; PROXY_HEADER_BYTES_MAX];
    let mut read = 0;
    loop {
        let seen = read + stream.peek(&mut bytes[read..]).await.ok()?;
        let (taken, whole) = match Header::parse(&bytes[..seen]) {
            Header::Unfinished => (seen, None),
            Header::Whole { length, client } => (length, Some(client.unwrap_or(peer))),
            Header::Wrong => return None,
        };
        if taken == read {
            return None;
        }
        stream.read_exact(&mut bytes[read..taken]).await.ok()?;
        read = taken;
        if whole.is_some() {
            return whole;
        }
    }
}
