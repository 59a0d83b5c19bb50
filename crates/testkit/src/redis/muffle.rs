//! A proxy that can keep publications back and passes everything else: connections through it look healthy.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// The proxy. Its threads end with their connections; the one that accepts, with the test process.
pub struct Muffle {
    port: u16,
    is_on: Arc<AtomicBool>,
}

impl Muffle {
    /// Starts one in front of this port, passing everything.
    pub fn start(server: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("the machine serves the test");
        let port = listener.local_addr().expect("the machine serves the test").port();
        let is_on = Arc::new(AtomicBool::new(false));
        let switch = Arc::clone(&is_on);
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.expect("the machine serves the test");
                let server = TcpStream::connect(("127.0.0.1", server)).expect("the server listens");
                let [from, to] = [&client, &server].map(|end| end.try_clone().expect("a socket"));
                thread::spawn(move || pass(&from, &to, None));
                let switch = Arc::clone(&switch);
                thread::spawn(move || pass(&server, &client, Some(&switch)));
            }
        });
        Self { port, is_on }
    }

    /// The address for a client of Redis.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Keeps publications back, or passes them.
    pub fn set(&self, is_on: bool) {
        self.is_on.store(is_on, Ordering::Relaxed);
    }
}

fn pass(mut from: &TcpStream, mut to: &TcpStream, muffle: Option<&AtomicBool>) {
    let mut bytes = [0; 64 * 1024];
    let mut kept = Vec::new();
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        kept.extend_from_slice(&bytes[..count]);
        let is_muffled = muffle.is_some_and(|switch| switch.load(Ordering::Relaxed));
        let passed = if is_muffled { without_publications(&mut kept) } else { std::mem::take(&mut kept) };
        if to.write_all(&passed).is_err() {
            break;
        }
    }
    drop((from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both)));
}

/// Takes what is no publication; one that has not come whole yet stays.
fn without_publications(bytes: &mut Vec<u8>) -> Vec<u8> {
    /// The count of parts, then three parts with their lengths.
    const LINES: usize = 7;
    const HEAD: &[u8] = b"*3\r\n$7\r\nmessage\r\n";
    while let Some(start) = bytes.windows(HEAD.len()).position(|window| window == HEAD) {
        let ends = bytes.windows(2).enumerate().skip(start).filter(|(_, pair)| pair == b"\r\n");
        let Some(end) = ends.map(|(at, _)| at + 2).nth(LINES - 1) else {
            return bytes.drain(..start).collect();
        };
        bytes.drain(start..end);
    }
    std::mem::take(bytes)
}
