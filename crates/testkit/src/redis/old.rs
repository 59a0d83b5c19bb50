//! What answers as a server of an old version does, which no package brings any more. Nothing else of Redis is
//! faked.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;

/// The address of a Redis 6.2 that says what it is, and `OK` to everything else. It lives as long as the process.
///
/// # Panics
/// When there is no port for it.
pub fn old_server() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port of loopback");
    let address = listener.local_addr().expect("a bound socket has an address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer(stream));
        }
    });
    format!("redis://{address}")
}

fn answer(mut stream: TcpStream) {
    const TOLD: &str = "redis_version:6.2.7\r\nrole:master\r\n";
    let mut bytes = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut bytes) {
        let asked = &bytes[..length];
        let is_info = asked.windows(4).any(|word| word == b"INFO");
        // Each command begins with a star, and nobody says one otherwise.
        let commands = asked.iter().filter(|byte| **byte == b'*').count();
        let answer =
            if is_info { format!("${}\r\n{TOLD}\r\n", TOLD.len()) } else { "+OK\r\n".repeat(commands) };
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}
