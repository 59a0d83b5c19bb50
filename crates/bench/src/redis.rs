//! The few commands that the bench itself gives Redis: as bytes for a connection of the table, and on a blocking
//! connection of its own.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const CONNECT_PATIENCE: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest line, longest text and most members of one reply.
const LINE_MAX: u64 = 4096;
const TEXT_MAX: usize = 8 << 20;
const MEMBERS_MAX: usize = 1 << 20;

/// An answer. What the bench does not look into is left out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    Text(String),
    Number(i64),
    Error(String),
    List(Vec<Reply>),
}

/// A connection that waits for its answers.
pub(crate) struct Redis {
    stream: BufReader<TcpStream>,
}

impl Redis {
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, CONNECT_PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    pub(crate) fn ask(&mut self, parts: &[&[u8]]) -> io::Result<Reply> {
        self.send(&command(parts))?;
        self.reply()
    }

    /// Sends commands whose replies are taken afterwards.
    pub(crate) fn send(&mut self, commands: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(commands)
    }

    pub(crate) fn reply(&mut self) -> io::Result<Reply> {
        let mut line = String::new();
        (&mut self.stream).take(LINE_MAX).read_line(&mut line)?;
        let line = line.strip_suffix("\r\n").ok_or(ErrorKind::UnexpectedEof)?;
        let (kind, rest) = line.split_at_checked(1).ok_or(ErrorKind::InvalidData)?;
        Ok(match kind {
            "+" => Reply::Text(rest.to_owned()),
            "-" => Reply::Error(rest.to_owned()),
            ":" => Reply::Number(rest.parse().map_err(|_| ErrorKind::InvalidData)?),
            "$" => {
                let mut text = vec![0; length(rest, TEXT_MAX)? + 2];
                self.stream.read_exact(&mut text)?;
                text.truncate(text.len() - 2);
                Reply::Text(String::from_utf8(text).map_err(|_| ErrorKind::InvalidData)?)
            }
            "*" => {
                Reply::List((0..length(rest, MEMBERS_MAX)?).map(|_| self.reply()).collect::<Result<_, _>>()?)
            }
            _ => return Err(ErrorKind::InvalidData.into()),
        })
    }
}

fn length(text: &str, most: usize) -> io::Result<usize> {
    let length = text.parse().ok().filter(|length| *length <= most);
    length.ok_or_else(|| ErrorKind::InvalidData.into())
}

/// A command as Redis takes it.
pub(crate) fn command(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", parts.len()).into_bytes();
    for part in parts {
        bytes.extend(format!("${}\r\n", part.len()).bytes());
        bytes.extend_from_slice(part);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn replies_are_told_apart_and_what_is_cut_off_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 14];
            stream.read_exact(&mut asked).unwrap();
            stream.write_all(b"+PONG\r\n:7\r\n-ERR no\r\n*2\r\n$3\r\na\r\n\r\n:1\r\n$5\r\nab").unwrap();
            asked
        });
        let mut redis = Redis::open(address).unwrap();
        assert_eq!(redis.ask(&[b"PING"]).unwrap(), Reply::Text("PONG".to_owned()));
        assert_eq!(redis.reply().unwrap(), Reply::Number(7));
        assert_eq!(redis.reply().unwrap(), Reply::Error("ERR no".to_owned()));
        let list = Reply::List(vec![Reply::Text("a\r\n".to_owned()), Reply::Number(1)]);
        assert_eq!(redis.reply().unwrap(), list);
        assert!(redis.reply().is_err() && redis.reply().is_err());
        assert_eq!(&server.join().unwrap(), b"*1\r\n$4\r\nPING\r\n");
    }
}
