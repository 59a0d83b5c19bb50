//! One WebSocket to a node, read and written with deadlines. Knows no command.

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use tungstenite::client::IntoClientRequest;
use tungstenite::error::Error;
use tungstenite::handshake::HandshakeError;
use tungstenite::handshake::client::Request;
use tungstenite::protocol::{Message, WebSocket};

use crate::failure::Failure;

/// How long a node may take to accept, to answer the handshake, and to take a frame.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sockets take no shorter one than this for more than nothing.
const PATIENCE_MIN: Duration = Duration::from_millis(1);

pub(crate) struct Link {
    socket: WebSocket<TcpStream>,
}

/// What came of waiting.
pub(crate) enum Received {
    Text(String),
    /// Nothing came for as long as allowed.
    Silence,
    /// The command's own time is up.
    Deadline,
}

impl Link {
    pub(crate) fn open(url: &str, deadline: Option<Instant>) -> Result<Self, Failure> {
        let unusable = |what: &str| Failure::unusable(format!("`{url}`: {what}"));
        let request = url.into_client_request().map_err(|error| unusable(&error.to_string()))?;
        match request.uri().scheme_str() {
            Some("ws") => {}
            Some("wss") => return Err(unusable("this command speaks no TLS: give the node's ws address")),
            Some(_) | None => {
                return Err(unusable("write it like `ws://localhost:8000/connection/websocket`"));
            }
        }
        let patience = remaining(deadline).map_or(PATIENCE, |left| left.clamp(PATIENCE_MIN, PATIENCE));
        let stream =
            dial(&request, patience).map_err(|error| unusable(&format!("cannot connect: {error}")))?;
        let timeouts = [stream.set_read_timeout(Some(patience)), stream.set_write_timeout(Some(PATIENCE))];
        for outcome in timeouts {
            outcome.map_err(|error| unusable(&error.to_string()))?;
        }
        match tungstenite::client(request, stream) {
            Ok((socket, _)) => Ok(Self { socket }),
            Err(HandshakeError::Interrupted(_)) => {
                Err(Failure::refused(format!("`{url}`: the handshake was not answered in time")))
            }
            Err(HandshakeError::Failure(Error::Http(answer))) => {
                let body = answer.body().as_deref().map(String::from_utf8_lossy).unwrap_or_default();
                let status = answer.status();
                Err(Failure::refused(format!("the handshake was refused: status {status} {}", body.trim())))
            }
            Err(HandshakeError::Failure(error)) => Err(unusable(&format!("the handshake failed: {error}"))),
        }
    }

    pub(crate) fn send(&mut self, text: String) -> Result<(), Failure> {
        self.socket.send(Message::text(text)).map_err(lost)
    }

    /// Waits for a text; `silence` is how long nothing at all may come.
    pub(crate) fn receive(
        &mut self,
        silence: Option<Duration>,
        deadline: Option<Instant>,
    ) -> Result<Received, Failure> {
        let silent = silence.and_then(|silence| Instant::now().checked_add(silence));
        loop {
            let until = [silent, deadline].into_iter().flatten().min();
            let left = remaining(until);
            if left.is_some_and(|left| left.is_zero()) {
                let is_deadline = remaining(deadline).is_some_and(|left| left.is_zero());
                return Ok(if is_deadline { Received::Deadline } else { Received::Silence });
            }
            self.socket.get_ref().set_read_timeout(left).map_err(|error| lost(Error::Io(error)))?;
            match self.socket.read() {
                Ok(Message::Text(text)) => return Ok(Received::Text(text.as_str().to_owned())),
                Ok(Message::Close(Some(frame))) => {
                    return Err(closed(&format!("{} {}", u16::from(frame.code), frame.reason.as_str())));
                }
                Ok(Message::Close(None)) => return Err(closed("without a code")),
                Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
                Err(Error::Io(error)) if is_timeout(&error) => {}
                Err(error) => return Err(lost(error)),
            }
        }
    }

    /// Says goodbye; whether the node hears it makes no difference.
    pub(crate) fn close(&mut self) {
        drop(self.socket.close(None));
        drop(self.socket.flush());
    }
}

fn dial(request: &Request, patience: Duration) -> io::Result<TcpStream> {
    let host = request.uri().host().unwrap_or_default();
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let mut outcome = Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
    for address in (host, request.uri().port_u16().unwrap_or(80)).to_socket_addrs()? {
        outcome = TcpStream::connect_timeout(&address, patience);
        if outcome.is_ok() {
            break;
        }
    }
    let stream = outcome?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Time left, if there is an end; never less than nothing.
fn remaining(until: Option<Instant>) -> Option<Duration> {
    until.map(|until| until.saturating_duration_since(Instant::now()))
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

fn closed(why: &str) -> Failure {
    Failure::refused(format!("closed by the node: {why}"))
}

fn lost(error: Error) -> Failure {
    Failure::refused(format!("the connection was lost: {error}"))
}
