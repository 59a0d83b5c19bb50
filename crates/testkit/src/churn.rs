//! Connections that come, subscribe and leave in four ways, many at a time.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::{Client, Received};

/// A crowd to be let loose on a node that needs no token and listens on all of 127/8.
#[derive(Debug, Clone, Copy)]
pub struct Churn {
    /// Where clients connect; each thread takes a loopback address of its own.
    pub port: u16,
    /// How many connections are made.
    pub connections: usize,
    /// Threads that make them, one at a time each.
    pub threads: usize,
    /// Most connections that stay open in silence at a time.
    pub silent_max: usize,
    /// Determines who leaves how.
    pub seed: u64,
}

/// How many connections left in which way.
#[derive(Debug, Default)]
pub struct Left {
    /// With a close frame.
    pub closed: AtomicU64,
    /// With a reset.
    pub reset: AtomicU64,
    /// By saying nothing any more.
    pub silent: AtomicU64,
    /// In the middle of a frame.
    pub mid_frame: AtomicU64,
}

/// What a thread goes on with.
struct Visitor<'a> {
    address: SocketAddr,
    path: &'a str,
    dice: u64,
    silent_max: usize,
    silent: VecDeque<Client>,
    left: &'a Left,
}

impl Churn {
    /// Makes all connections and waits until the last has left.
    ///
    /// # Panics
    /// When one is not served.
    pub fn run(&self, path: &str) -> Left {
        let left = Left::default();
        thread::scope(|scope| {
            for index in 0..self.threads {
                let first = self.connections * index / self.threads;
                let last = self.connections * (index + 1) / self.threads;
                let host = Ipv4Addr::new(127, 0, 1, 1 + (index % 250) as u8);
                let mut visitor = Visitor {
                    address: SocketAddr::new(IpAddr::V4(host), self.port),
                    path,
                    dice: self.seed.wrapping_mul(index as u64 + 1) | 1,
                    silent_max: self.silent_max / self.threads,
                    silent: VecDeque::new(),
                    left: &left,
                };
                scope.spawn(move || {
                    for number in first..last {
                        visitor.visit(number);
                    }
                    while let Some(client) = visitor.silent.pop_front() {
                        visitor.outlast(client);
                    }
                });
            }
        });
        left
    }
}

impl Visitor<'_> {
    fn visit(&mut self, number: usize) {
        const UNFINISHED: [u8; 12] = [0x81, 0xfe, 0x10, 0x00, 1, 2, 3, 4, b'h', b'a', b'l', b'f'];
        let mut client = Client::connect(self.address, self.path);
        client.send(&format!(
            "{{\"id\":1,\"connect\":{{}}}}\n{{\"id\":2,\"subscribe\":{{\"channel\":\"churn{}\"}}}}",
            number % 1000
        ));
        for _ in 0..2 {
            client.text();
        }
        let count = match self.roll() % 4 {
            0 => {
                client.close(1000, "bye");
                assert_eq!(client.closed().0, 1000);
                &self.left.closed
            }
            1 => {
                client.reset_after(b"");
                &self.left.reset
            }
            2 => {
                self.silent.push_back(client);
                if self.silent.len() > self.silent_max
                    && let Some(client) = self.silent.pop_front()
                {
                    self.outlast(client);
                }
                &self.left.silent
            }
            _ => {
                if self.roll().is_multiple_of(2) {
                    client.reset_after(&UNFINISHED);
                } else {
                    client.send_raw(&UNFINISHED).expect("the server reads");
                }
                &self.left.mid_frame
            }
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits until the server gives a silent client up.
    fn outlast(&self, mut client: Client) {
        loop {
            match client.receive() {
                Received::Close(code, _) => return assert_eq!(code, 3012),
                Received::Text(ping) => assert_eq!(ping, "{}"),
                other @ (Received::Binary(_)
                | Received::Ping(_)
                | Received::Pong(_)
                | Received::End
                | Received::Reset) => panic!("a close was expected, not {other:?}"),
            }
        }
    }

    fn roll(&mut self) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        self.dice
    }
}
