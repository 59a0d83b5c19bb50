//! One connection: bytes in, events out, and the bytes the socket would not take yet. A few dozen bytes
//! while idle; a buffer exists only while a frame is unfinished or unsent.

use std::io::{ErrorKind, Read, Write};
use std::time::Instant;

use mio::net::TcpStream;

use crate::error::Fault;
use crate::http;
use crate::wire::{self, Message, Opcode};

/// How often one readiness may read the whole scratch buffer before others get their turn.
const READS_MAX: usize = 16;

/// What a connection speaks at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speech {
    /// Waiting for the answer to its upgrade request.
    Upgrading,
    /// Frames.
    Frames,
    /// Responses.
    Http,
    /// Answers of Redis that are whole numbers.
    Redis,
}

/// What arrived on a connection. Server pings are answered before anybody sees them.
pub(crate) enum Event<'a> {
    /// The upgrade was accepted.
    Upgraded,
    /// A command was answered; `code` is 0 unless it was an error.
    Reply { id: u32, code: u32 },
    /// A publication was delivered. `at` is read once per `recv`, so all frames of one read share it.
    Push { stamp: u64, frame: &'a [u8], at: Instant },
    /// The server ended a subscription.
    Unsubscribed { code: u32, channel: &'a [u8] },
    /// An HTTP request was answered with 200 and no error, or a command of Redis with a number.
    Response { at: Instant },
}

impl Event<'_> {
    /// What to say of it where nobody expects it.
    pub(crate) fn surprise(&self) -> Fault {
        Fault::Refused(match self {
            Self::Reply { code, .. } => format!("an unexpected reply with code {code}"),
            Self::Unsubscribed { code, channel } => {
                format!("unsubscribed from {} with code {code}", wire::excerpt(channel))
            }
            Self::Upgraded | Self::Push { .. } | Self::Response { .. } => {
                "an upgrade, a push or a response out of turn".to_owned()
            }
        })
    }
}

/// Whether the socket has been emptied, which edge-triggered readiness asks for.
#[derive(PartialEq, Eq)]
pub(crate) enum Inflow {
    Drained,
    More,
}

/// What hears of events.
pub(crate) type Listener<'a> = &'a mut dyn FnMut(usize, Event<'_>) -> Result<(), Fault>;

pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    speech: Speech,
    connected: bool,
    partial: Vec<u8>,
    unsent: Vec<u8>,
}

impl Connection {
    /// A connection that sends `greeting` once it is connected.
    pub(crate) fn new(stream: TcpStream, speech: Speech, greeting: Vec<u8>) -> Self {
        Self { stream, speech, connected: false, partial: Vec::new(), unsent: greeting }
    }

    /// Sends, or keeps what the socket does not take.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if !self.connected || !self.unsent.is_empty() {
            self.unsent.extend_from_slice(bytes);
            return Ok(());
        }
        let sent = write(&self.stream, bytes)?;
        self.unsent.extend_from_slice(&bytes[sent..]);
        Ok(())
    }

    pub(crate) fn on_writable(&mut self) -> Result<(), Fault> {
        if !self.connected {
            if let Some(error) = self.stream.take_error()? {
                return Err(error.into());
            }
            self.connected = true;
        }
        if self.unsent.is_empty() {
            return Ok(());
        }
        let unsent = std::mem::take(&mut self.unsent);
        let sent = write(&self.stream, &unsent)?;
        if sent < unsent.len() {
            self.unsent = unsent[sent..].to_vec();
        }
        Ok(())
    }

    pub(crate) fn on_readable(
        &mut self,
        index: usize,
        scratch: &mut [u8],
        on: Listener<'_>,
    ) -> Result<Inflow, Fault> {
        for _ in 0..READS_MAX {
            match self.stream.read(scratch) {
                Ok(0) => return Err(Fault::Refused("the node closed the socket".to_owned())),
                Ok(length) => {
                    self.on_bytes(index, &scratch[..length], on)?;
                    if length < scratch.len() {
                        return Ok(Inflow::Drained);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Inflow::Drained),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Inflow::More)
    }

    fn on_bytes(&mut self, index: usize, bytes: &[u8], on: Listener<'_>) -> Result<(), Fault> {
        let at = Instant::now();
        if self.partial.is_empty() {
            let used = self.take_in(index, bytes, at, on)?;
            if used < bytes.len() {
                self.partial = bytes[used..].to_vec();
            }
            return Ok(());
        }
        let mut whole = std::mem::take(&mut self.partial);
        whole.extend_from_slice(bytes);
        let used = self.take_in(index, &whole, at, on)?;
        if used < whole.len() {
            whole.drain(..used);
            self.partial = whole;
        }
        Ok(())
    }

    /// Consumes what is whole and says how much that was.
    fn take_in(&mut self, index: usize, bytes: &[u8], at: Instant, on: Listener<'_>) -> Result<usize, Fault> {
        let mut used = 0;
        while used < bytes.len() {
            let rest = &bytes[used..];
            let taken = match self.speech {
                Speech::Frames => self.take_frame(index, rest, at, on)?,
                Speech::Http => take_response(index, rest, at, on)?,
                Speech::Redis => take_number(index, rest, at, on)?,
                Speech::Upgrading => self.take_upgrade(index, rest, on)?,
            };
            if taken == 0 {
                break;
            }
            used += taken;
        }
        Ok(used)
    }

    fn take_frame(
        &mut self,
        index: usize,
        bytes: &[u8],
        at: Instant,
        on: Listener<'_>,
    ) -> Result<usize, Fault> {
        let Some(frame) = wire::scan(bytes).map_err(Fault::Refused)? else {
            return Ok(0);
        };
        match frame.opcode {
            Opcode::Text => {
                for line in frame.payload.split(|byte| *byte == b'\n') {
                    match wire::classify(line).map_err(Fault::Refused)? {
                        Message::Ping => self.send(&wire::text(b"{}"))?,
                        Message::Reply { id, code } => on(index, Event::Reply { id, code })?,
                        Message::Unsubscribed { code, channel } => {
                            on(index, Event::Unsubscribed { code, channel })?;
                        }
                        Message::Push { stamp } => {
                            let frame = frame.bytes;
                            on(index, Event::Push { stamp, frame, at })?;
                        }
                    }
                }
            }
            Opcode::Ping => self.send(&wire::pong(frame.payload))?,
            Opcode::Pong => {}
            Opcode::Close => return Err(Fault::Refused(wire::closed(frame.payload))),
        }
        Ok(frame.bytes.len())
    }

    fn take_upgrade(&mut self, index: usize, bytes: &[u8], on: Listener<'_>) -> Result<usize, Fault> {
        let Some(head) = http::scan_head(bytes).map_err(Fault::Refused)? else {
            return Ok(0);
        };
        if head.status != 101 {
            let body = wire::excerpt(&bytes[head.length..]);
            return Err(Fault::Refused(format!(
                "the upgrade was answered with HTTP {}: {body}",
                head.status
            )));
        }
        self.speech = Speech::Frames;
        on(index, Event::Upgraded)?;
        Ok(head.length)
    }
}

fn take_response(index: usize, bytes: &[u8], at: Instant, on: Listener<'_>) -> Result<usize, Fault> {
    let Some(head) = http::scan_head(bytes).map_err(Fault::Refused)? else {
        return Ok(0);
    };
    let Some(body) = bytes[head.length..].get(..head.body) else {
        return Ok(0);
    };
    if head.status != 200 || body.windows(8).any(|window| window == b"\"error\":") {
        let body = wire::excerpt(body);
        return Err(Fault::Refused(format!("the server API answered with HTTP {}: {body}", head.status)));
    }
    on(index, Event::Response { at })?;
    Ok(head.length + head.body)
}

fn take_number(index: usize, bytes: &[u8], at: Instant, on: Listener<'_>) -> Result<usize, Fault> {
    let Some(end) = bytes.windows(2).position(|pair| pair == b"\r\n") else {
        return Ok(0);
    };
    if bytes.first() != Some(&b':') {
        return Err(Fault::Refused(format!("Redis answered: {}", wire::excerpt(&bytes[..end]))));
    }
    on(index, Event::Response { at })?;
    Ok(end + 2)
}

/// Writes what the socket takes.
fn write(mut stream: &TcpStream, bytes: &[u8]) -> Result<usize, Fault> {
    let mut sent = 0;
    while sent < bytes.len() {
        match stream.write(&bytes[sent..]) {
            Ok(0) => return Err(std::io::Error::from(ErrorKind::WriteZero).into()),
            Ok(length) => sent += length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(sent)
}
