//! A blocking connection to a server: as much of its protocol as a test needs to ask questions.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// How long one reply may take.
const REPLY_DEADLINE: Duration = Duration::from_secs(10);
/// How long a connection may take: it is one to loopback.
const CONNECT_DEADLINE: Duration = Duration::from_secs(2);
/// The longest line or bulk of a reply, and the most elements of an array.
const REPLY_BYTES_MAX: usize = 64 << 20;
/// How deep arrays may nest.
const DEPTH_MAX: usize = 8;

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A line, or a string of bytes shown as text.
    Text(String),
    /// An error's line, without its leading `-`.
    Error(String),
    /// A number.
    Integer(i64),
    /// Nothing.
    Nil,
    /// Several replies.
    Array(Vec<Reply>),
}

/// As text: errors begin with `-`, nothing is `(nil)`, an array is one line for each element.
impl fmt::Display for Reply {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => formatter.write_str(text),
            Self::Error(text) => write!(formatter, "-{text}"),
            Self::Integer(number) => write!(formatter, "{number}"),
            Self::Nil => formatter.write_str("(nil)"),
            Self::Array(elements) => {
                for (index, element) in elements.iter().enumerate() {
                    let line_break = if index == 0 { "" } else { "\n" };
                    write!(formatter, "{line_break}{element}")?;
                }
                Ok(())
            }
        }
    }
}

/// An open connection.
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects to a port of loopback.
    pub fn open(port: u16) -> io::Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let stream = TcpStream::connect_timeout(&address, CONNECT_DEADLINE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(REPLY_DEADLINE))?;
        stream.set_write_timeout(Some(REPLY_DEADLINE))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Waits so long for each reply from now on.
    pub fn wait_at_most(&mut self, deadline: Duration) -> io::Result<()> {
        self.stream.get_ref().set_read_timeout(Some(deadline))
    }

    /// Sends a command and reads its reply.
    pub fn command<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> io::Result<Reply> {
        self.send(arguments)?;
        self.reply()
    }

    /// Sends a command.
    pub fn send<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> io::Result<()> {
        let mut bytes = format!("*{}\r\n", arguments.len()).into_bytes();
        for argument in arguments {
            let argument = argument.as_ref();
            bytes.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
            bytes.extend_from_slice(argument);
            bytes.extend_from_slice(b"\r\n");
        }
        self.stream.get_mut().write_all(&bytes)
    }

    /// Reads the next reply, or what is published to a subscriber.
    pub fn reply(&mut self) -> io::Result<Reply> {
        self.nested_reply(0)
    }

    fn nested_reply(&mut self, depth: usize) -> io::Result<Reply> {
        let line = self.line()?;
        let mut characters = line.chars();
        let kind = characters.next();
        let rest = characters.as_str();
        Ok(match kind {
            Some('+') => Reply::Text(rest.to_owned()),
            Some('-') => Reply::Error(rest.to_owned()),
            Some(':') => Reply::Integer(rest.parse().map_err(|_| strange(&line))?),
            Some('$' | '*') if rest == "-1" => Reply::Nil,
            Some('$') => self.bulk(length(&line, rest)?)?,
            Some('*') if depth < DEPTH_MAX => {
                let count = length(&line, rest)?;
                Reply::Array((0..count).map(|_| self.nested_reply(depth + 1)).collect::<io::Result<_>>()?)
            }
            _ => return Err(strange(&line)),
        })
    }

    fn line(&mut self) -> io::Result<String> {
        let mut bytes = Vec::new();
        (&mut self.stream).take(REPLY_BYTES_MAX as u64).read_until(b'\n', &mut bytes)?;
        let line = bytes.strip_suffix(b"\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(String::from_utf8_lossy(line).into_owned())
    }

    fn bulk(&mut self, length: usize) -> io::Result<Reply> {
        let mut bytes = vec![0; length + 2];
        self.stream.read_exact(&mut bytes)?;
        bytes.truncate(length);
        Ok(Reply::Text(String::from_utf8_lossy(&bytes).into_owned()))
    }
}

fn length(line: &str, digits: &str) -> io::Result<usize> {
    digits.parse().ok().filter(|&length| length <= REPLY_BYTES_MAX).ok_or_else(|| strange(line))
}

fn strange(line: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("no reply that tests know: {line}"))
}
