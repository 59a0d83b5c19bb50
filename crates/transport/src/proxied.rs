//! Reads the header of a proxy from a socket, and leaves what follows it to HTTP.

use std::net::IpAddr;

use model::limits::PROXY_HEADER_BYTES_MAX;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::proxy_header::Header;

/// Why nobody is behind a connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Nobody {
    /// It ended without a byte, as those by which a proxy finds out whether somebody listens.
    Gone,
    /// It begins with something else than a header.
    NoHeader,
}

/// Reads the header and not a byte more. The client's address that it names, else that of the socket's own peer.
/// Whoever waits sets the deadline.
pub(crate) async fn client_address(stream: &mut TcpStream, peer: IpAddr) -> Result<IpAddr, Nobody> {
    let mut bytes = [0; PROXY_HEADER_BYTES_MAX];
    let mut read = 0;
    loop {
        let seen = read + stream.peek(&mut bytes[read..]).await.map_err(|_| Nobody::Gone)?;
        if seen == 0 {
            return Err(Nobody::Gone);
        }
        let (taken, whole) = match Header::parse(&bytes[..seen]) {
            Header::Unfinished => (seen, None),
            Header::Whole { length, client } => (length, Some(client.unwrap_or(peer))),
            Header::Wrong => return Err(Nobody::NoHeader),
        };
        if taken == read {
            return Err(Nobody::NoHeader);
        }
        stream.read_exact(&mut bytes[read..taken]).await.map_err(|_| Nobody::Gone)?;
        read = taken;
        if let Some(client) = whole {
            return Ok(client);
        }
    }
}
