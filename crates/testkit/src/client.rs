//! A blocking WebSocket client that can also misbehave: it sends any bytes it is told to.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::PATIENCE;

const MASK: [u8; 4] = [0x5a, 0xa5, 0x3c, 0xc3];

/// One WebSocket connection of a test.
pub struct Client {
    stream: TcpStream,
    unread: Vec<u8>,
}

/// What a server sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// A text frame.
    Text(String),
    /// A binary frame.
    Binary(Vec<u8>),
    /// A ping.
    Ping(Vec<u8>),
    /// A pong.
    Pong(Vec<u8>),
    /// A close frame: its code, 0 when it had none, and its text.
    Close(u16, String),
    /// The end of the stream.
    End,
    /// The connection was reset: what was on its way may be lost.
    Reset,
}

impl Client {
    /// Connects and shakes hands.
    ///
    /// # Panics
    /// When the server refuses.
    pub fn connect(address: SocketAddr, path: &str) -> Self {
        let (client, response) = Self::request(address, path, "").expect("the server answers");
        assert!(response.starts_with("HTTP/1.1 101 "), "{response}");
        client
    }

    /// Sends an upgrade request with further header lines, each ending in `\r\n`, and returns the response head.
    pub fn request(address: SocketAddr, path: &str, headers: &str) -> io::Result<(Self, String)> {
        let mut client = Self::open(address)?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
        );
        client.send_raw(request.as_bytes())?;
        let head = client.head()?;
        Ok((client, head))
    }

    /// Receives an HTTP response head.
    pub fn head(&mut self) -> io::Result<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(end) = self.unread.windows(4).position(|window| window == b"\r\n\r\n") {
                let head: Vec<u8> = self.unread.drain(..end + 4).collect();
                return Ok(String::from_utf8_lossy(&head).into_owned());
            }
            self.fill(deadline)?;
        }
    }

    /// Opens a socket and sends nothing.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, unread: Vec::new() })
    }

    /// Sends bytes as they are.
    pub fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends a text frame.
    pub fn send(&mut self, text: &str) {
        self.send_raw(&Self::frame(0x81, text.as_bytes())).expect("the server reads");
    }

    /// A masked frame with the given first byte.
    pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first];
        match payload.len() {
            length @ 0..126 => frame.push(0x80 | length as u8),
            length @ 126..=0xffff => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&(length as u16).to_be_bytes());
            }
            length => {
                frame.push(0x80 | 127);
                frame.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        frame.extend_from_slice(&MASK);
        frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        frame
    }

    /// A frame without a mask, which no client may send.
    pub fn unmasked_frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = Self::frame(first, payload);
        let mask_at = frame.len() - payload.len() - MASK.len();
        frame.drain(mask_at..mask_at + MASK.len());
        frame.truncate(mask_at);
        frame[1] &= 0x7f;
        frame.extend_from_slice(payload);
        frame
    }

    /// Sends a close frame.
    pub fn close(&mut self, code: u16, text: &str) {
        let payload = [&code.to_be_bytes(), text.as_bytes()].concat();
        self.send_raw(&Self::frame(0x88, &payload)).expect("the server reads");
    }

    /// Sends bytes and leaves with a reset, as a crashed process does: what it was sent stays unread.
    ///
    /// # Panics
    /// When the server answers no ping.
    pub fn reset_after(mut self, bytes: &[u8]) {
        self.send_raw(&Self::frame(0x89, b"last")).expect("the server reads");
        self.stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        assert!(self.stream.peek(&mut [0]).expect("a pong") > 0, "the server left first");
        self.send_raw(bytes).expect("the server reads");
    }

    /// Receives the next frame.
    ///
    /// # Panics
    /// When none comes in time.
    pub fn receive(&mut self) -> Received {
        self.receive_within(PATIENCE).expect("a frame in time")
    }

    /// Receives the next frame, if one comes in time.
    pub fn receive_within(&mut self, patience: Duration) -> Option<Received> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(frame) = self.take_frame() {
                return Some(frame);
            }
            match self.fill(deadline) {
                Ok(()) => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    return None;
                }
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Some(Received::End),
                Err(_) => return Some(Received::Reset),
            }
        }
    }

    /// Receives a text frame.
    ///
    /// # Panics
    /// When something else comes.
    pub fn text(&mut self) -> String {
        match self.receive() {
            Received::Text(text) => text,
            other @ (Received::Binary(_)
            | Received::Ping(_)
            | Received::Pong(_)
            | Received::Close(..)
            | Received::End
            | Received::Reset) => panic!("a text frame was expected, not {other:?}"),
        }
    }

    /// Receives until the server closes, and returns the code and text of its close frame.
    pub fn closed(&mut self) -> (u16, String) {
        loop {
            match self.receive() {
                Received::Close(code, text) => return (code, text),
                Received::End | Received::Reset => return (1006, String::new()),
                Received::Text(_) | Received::Binary(_) | Received::Ping(_) | Received::Pong(_) => {}
            }
        }
    }

    /// Closes the write side, so that the server sees the end of the stream.
    pub fn shut(&self) {
        drop(self.stream.shutdown(Shutdown::Write));
    }

    /// The socket itself.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    fn take_frame(&mut self) -> Option<Received> {
        let second = usize::from(*self.unread.get(1)?);
        let (length, head) = match second {
            126 => (usize::from(u16::from_be_bytes(self.unread.get(2..4)?.try_into().ok()?)), 4),
            127 => (u64::from_be_bytes(self.unread.get(2..10)?.try_into().ok()?) as usize, 10),
            length => (length, 2),
        };
        if self.unread.len() < head + length {
            return None;
        }
        let frame: Vec<u8> = self.unread.drain(..head + length).collect();
        let payload = frame[head..].to_vec();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Some(match frame[0] & 0x0f {
            1 => Received::Text(text(&payload)),
            8 => {
                let code = payload.first_chunk::<2>().map_or(0, |code| u16::from_be_bytes(*code));
                Received::Close(code, text(payload.get(2..).unwrap_or_default()))
            }
            9 => Received::Ping(payload),
            10 => Received::Pong(payload),
            _ => Received::Binary(payload),
        })
    }

    fn fill(&mut self, deadline: Instant) -> io::Result<()> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                self.unread.extend_from_slice(&buffer[..count]);
                Ok(())
            }
        }
    }
}
