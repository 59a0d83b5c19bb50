//! A node for tests of the bench: threads, plain sockets, as much of the protocol as the bench speaks, and
//! the ways in which a node may disappoint.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

/// Most connections per listener.
const CONNECTIONS_MAX: usize = 200;
/// Most header lines of a request.
const LINES_MAX: usize = 50;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    Good,
    /// Answers the upgrade with 503.
    Full,
    /// Answers `subscribe` with error 103.
    Forbidding,
    /// Accepts and never answers.
    Silent,
    /// Closes with 3500 instead of answering `connect`.
    Closing,
    /// Delivers every publication twice.
    Stuttering,
}

#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) clients: SocketAddr,
    pub(crate) api: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    behaviour: Behaviour,
    subscribers_by_channel: Mutex<HashMap<String, Vec<TcpStream>>>,
}

impl Node {
    pub(crate) fn start(behaviour: Behaviour) -> Self {
        let clients = TcpListener::bind("127.0.0.1:0").expect("a port");
        let api = TcpListener::bind("127.0.0.1:0").expect("a port");
        let node = Self {
            clients: clients.local_addr().expect("an address"),
            api: api.local_addr().expect("an address"),
            shared: Arc::new(Shared { behaviour, subscribers_by_channel: Mutex::default() }),
        };
        accept(clients, &node.shared, serve_client);
        accept(api, &node.shared, serve_api);
        node
    }
}

fn accept(listener: TcpListener, shared: &Arc<Shared>, serve: fn(TcpStream, &Shared) -> std::io::Result<()>) {
    let shared = Arc::clone(shared);
    std::thread::spawn(move || {
        for stream in listener.incoming().take(CONNECTIONS_MAX).flatten() {
            let shared = Arc::clone(&shared);
            // An error is the bench going away, which is how every test ends.
            std::thread::spawn(move || serve(stream, &shared));
        }
    });
}

fn serve_client(mut stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    read_head(&mut reader)?;
    match shared.behaviour {
        Behaviour::Full => {
            return stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nfull");
        }
        Behaviour::Silent => {
            return std::io::copy(&mut reader, &mut std::io::sink()).map(|_| ());
        }
        Behaviour::Good | Behaviour::Forbidding | Behaviour::Closing | Behaviour::Stuttering => {}
    }
    stream.write_all(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    )?;
    loop {
        let text = read_frame(&mut reader)?;
        for line in text.split('\n') {
            let command: Value = serde_json::from_str(line)?;
            if command.get("connect").is_some() && shared.behaviour == Behaviour::Closing {
                return stream.write_all(b"\x88\x07\x0d\xactoken");
            }
            if let Some(answer) = shared.answer(&command, &stream)? {
                send_text(&mut stream, &answer)?;
            }
        }
    }
}

impl Shared {
    fn answer(&self, command: &Value, stream: &TcpStream) -> std::io::Result<Option<String>> {
        let Some(id) = command["id"].as_u64() else { return Ok(None) };
        Ok(Some(if command.get("connect").is_some() {
            // A ping behind the answer, which the bench must not take for one.
            let ping = "{}";
            format!("{{\"id\":{id},\"connect\":{{\"client\":\"c\",\"ping\":25,\"pong\":true}}}}\n{ping}")
        } else if let Some(channel) = command["subscribe"]["channel"].as_str() {
            if self.behaviour == Behaviour::Forbidding {
                format!("{{\"id\":{id},\"error\":{{\"code\":103,\"message\":\"permission denied\"}}}}")
            } else {
                self.subscribe(channel, stream.try_clone()?);
                format!("{{\"id\":{id},\"subscribe\":{{}}}}")
            }
        } else if let Some(channel) = command["publish"]["channel"].as_str() {
            self.publish(channel, &command["publish"]["data"])?;
            format!("{{\"id\":{id},\"publish\":{{}}}}")
        } else {
            format!("{{\"id\":{id},\"error\":{{\"code\":108,\"message\":\"not available\"}}}}")
        }))
    }

    fn subscribe(&self, channel: &str, stream: TcpStream) {
        let mut subscribers = self.subscribers_by_channel.lock().unwrap_or_else(PoisonError::into_inner);
        subscribers.entry(channel.to_owned()).or_default().push(stream);
    }

    fn publish(&self, channel: &str, data: &Value) -> std::io::Result<()> {
        let push = format!("{{\"push\":{{\"channel\":\"{channel}\",\"pub\":{{\"data\":{data}}}}}}}");
        let times = if self.behaviour == Behaviour::Stuttering { 2 } else { 1 };
        let mut subscribers = self.subscribers_by_channel.lock().unwrap_or_else(PoisonError::into_inner);
        // A subscriber whose socket fails has gone, as those of an earlier workload have.
        if let Some(streams) = subscribers.get_mut(channel) {
            streams.retain_mut(|stream| (0..times).all(|_| send_text(stream, &push).is_ok()));
        }
        Ok(())
    }
}

fn serve_api(mut stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let (request, length, has_key) = read_head(&mut reader)?;
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        if request.starts_with("GET /metrics ") {
            let text = "fanfare_writes_total 1\nfanfare_deliveries_total{channel_namespace=\"\"} 1\n";
            return write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len());
        }
        if !has_key {
            return stream.write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
        }
        let answer = if request.starts_with("POST /api/batch ") {
            let commands = body["commands"].as_array().cloned().unwrap_or_default();
            for command in &commands {
                let publish = &command["publish"];
                shared.publish(publish["channel"].as_str().unwrap_or_default(), &publish["data"])?;
            }
            json!({"replies": vec![json!({"publish": {}}); commands.len()]})
        } else {
            shared.publish(body["channel"].as_str().unwrap_or_default(), &body["data"])?;
            json!({"result": {}})
        }
        .to_string();
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{answer}", answer.len())?;
    }
}

/// The request line, the length of the body and whether there is a key.
fn read_head(reader: &mut impl BufRead) -> std::io::Result<(String, usize, bool)> {
    let (mut request, mut length, mut has_key) = (String::new(), 0, false);
    for nth in 0..LINES_MAX {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if nth == 0 {
            request.clone_from(&line);
        } else if let Some(value) = line.strip_prefix("Content-Length:") {
            length = value.trim().parse().unwrap_or(0);
        } else if line.starts_with("X-API-Key: ") {
            has_key = true;
        } else if line == "\r\n" {
            break;
        }
    }
    Ok((request, length, has_key))
}

fn read_frame(reader: &mut impl Read) -> std::io::Result<String> {
    let mut head = [0; 2];
    reader.read_exact(&mut head)?;
    assert_eq!(head[0], 0x81, "a whole text frame");
    assert_eq!(head[1] & 0x80, 0x80, "a masked frame");
    let length = match head[1] & 0x7f {
        126 => {
            let mut length = [0; 2];
            reader.read_exact(&mut length)?;
            usize::from(u16::from_be_bytes(length))
        }
        127 => panic!("the bench sends nothing that long"),
        short => usize::from(short),
    };
    let mut mask = [0; 4];
    reader.read_exact(&mut mask)?;
    let mut payload = vec![0; length];
    reader.read_exact(&mut payload)?;
    for (byte, key) in payload.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
    Ok(String::from_utf8(payload).expect("text"))
}

/// In two writes, so that the bench sees frames in pieces.
fn send_text(stream: &mut TcpStream, text: &str) -> std::io::Result<()> {
    let mut frame = vec![0x81];
    if let Ok(short @ 0..=125) = u8::try_from(text.len()) {
        frame.push(short);
    } else {
        frame.push(126);
        frame.extend_from_slice(&u16::try_from(text.len()).expect("a short text").to_be_bytes());
    }
    frame.extend_from_slice(text.as_bytes());
    let (head, tail) = frame.split_at(3);
    stream.write_all(head)?;
    stream.write_all(tail)
}
