//! The table of connections and their one epoll loop: WebSocket clients, HTTP publishers and the floor's
//! receivers alike, one thread, one scratch buffer. Opens, sends, turns; what arrives goes to a closure.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Protocol, Socket, Type};

use crate::BenchError;
use crate::connection::{Connection, Event, Inflow, Speech};
use crate::error::Fault;
use crate::stage::Stage;

/// Readiness per turn. A batch is short, so that a frame's time of arrival is close to when it was ready.
const EVENTS_MAX: usize = 256;
const SCRATCH_BYTES: usize = 64 << 10;
/// Connections per source address: far below the 28,000 ports of the default range.
const PER_SOURCE: usize = 2000;
/// Longest sleep of a turn, so that a stage's clock is looked at.
pub(crate) const TURN: Duration = Duration::from_millis(100);

pub(crate) struct Table {
    poll: Poll,
    events: Events,
    connections: Vec<Connection>,
    scratch: Box<[u8]>,
    /// Connections whose socket was not emptied in the last turn.
    unread: Vec<usize>,
    opened: usize,
}

impl Table {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS_MAX),
            connections: Vec::new(),
            scratch: vec![0; SCRATCH_BYTES].into_boxed_slice(),
            unread: Vec::new(),
            opened: 0,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.connections.len()
    }

    /// Begins a connection that sends `greeting` as soon as it can; its index is the length before.
    pub(crate) fn open(&mut self, to: SocketAddr, speech: Speech, greeting: Vec<u8>) -> io::Result<usize> {
        let socket = socket(to, self.opened)?;
        self.opened += 1;
        socket.set_nonblocking(true)?;
        match socket.connect(&to.into()) {
            Ok(()) => {}
            // EINPROGRESS has no stable `ErrorKind`; any other failure comes back as the socket's error.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {}
            Err(error) => return Err(error),
        }
        self.insert(socket, speech, greeting)
    }

    /// Connects and waits for it, which a listener's backlog answers without `accept`.
    pub(crate) fn open_at_once(&mut self, to: SocketAddr, speech: Speech) -> io::Result<usize> {
        let socket = socket(to, self.opened)?;
        self.opened += 1;
        socket.connect_timeout(&to.into(), Duration::from_secs(5))?;
        socket.set_nonblocking(true)?;
        self.insert(socket, speech, Vec::new())
    }

    /// Drops all connections from `length` on; the kernel resets them, which leaves no TIME_WAIT behind.
    pub(crate) fn truncate(&mut self, length: usize) {
        self.connections.truncate(length);
        self.unread.retain(|index| *index < length);
    }

    pub(crate) fn send(&mut self, index: usize, bytes: &[u8], stage: &Stage) -> Result<(), BenchError> {
        self.connections[index].send(bytes).map_err(|fault| fault.at(stage.name()))
    }

    /// Waits at most `wait` and takes in what arrived. Fails when a connection does, and when the stage has
    /// run out of time or patience.
    pub(crate) fn turn(
        &mut self,
        stage: &mut Stage,
        wait: Duration,
        mut on: impl FnMut(usize, Event<'_>) -> Result<(), Fault>,
    ) -> Result<(), BenchError> {
        stage.check(Instant::now())?;
        let mut arrived = false;
        let mut listener = |index: usize, event: Event<'_>| {
            arrived = true;
            on(index, event)
        };
        self.take_in(wait, &mut listener).map_err(|fault| fault.at(stage.name()))?;
        if arrived {
            stage.moved(Instant::now());
        }
        Ok(())
    }

    /// Answers pings for as long as nothing else is to happen.
    pub(crate) fn rest(&mut self, stage: &mut Stage, time: Duration) -> Result<(), BenchError> {
        let until = Instant::now() + time;
        loop {
            let now = Instant::now();
            if now >= until {
                return Ok(());
            }
            stage.moved(now);
            self.turn(stage, (until - now).min(TURN), |_, _| Ok(()))?;
        }
    }

    fn take_in(
        &mut self,
        wait: Duration,
        on: &mut dyn FnMut(usize, Event<'_>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let Self { poll, events, connections, scratch, unread, .. } = self;
        let wait = if unread.is_empty() { wait } else { Duration::ZERO };
        match poll.poll(events, Some(wait)) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        for index in std::mem::take(unread) {
            if connections[index].on_readable(index, scratch, on)? == Inflow::More {
                unread.push(index);
            }
        }
        for event in &*events {
            let index = event.token().0;
            let Some(connection) = connections.get_mut(index) else {
                continue;
            };
            if event.is_writable() {
                connection.on_writable()?;
            }
            let readable = event.is_readable() || event.is_read_closed();
            if readable && connection.on_readable(index, scratch, on)? == Inflow::More {
                unread.push(index);
            }
        }
        Ok(())
    }

    fn insert(&mut self, socket: Socket, speech: Speech, greeting: Vec<u8>) -> io::Result<usize> {
        let mut stream = mio::net::TcpStream::from_std(socket.into());
        let index = self.connections.len();
        self.poll.registry().register(&mut stream, Token(index), Interest::READABLE | Interest::WRITABLE)?;
        self.connections.push(Connection::new(stream, speech, greeting));
        Ok(index)
    }
}

/// A socket for the `nth` connection: towards loopback from an address of its own range, so that ports do
/// not run out.
fn socket(to: SocketAddr, nth: usize) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_tcp_nodelay(true)?;
    socket.set_linger(Some(Duration::ZERO))?;
    if matches!(to, SocketAddr::V4(v4) if v4.ip().is_loopback()) {
        socket.bind(&SocketAddr::from((source(nth), 0)).into())?;
    }
    Ok(socket)
}

fn source(nth: usize) -> Ipv4Addr {
    let address = nth / PER_SOURCE % (250 * 250);
    let octet = |value: usize| u8::try_from(value % 250 + 1).unwrap_or(1);
    Ipv4Addr::new(127, 0, octet(address / 250), octet(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_addresses_change_before_their_ports_run_out() {
        assert_eq!(source(0), Ipv4Addr::new(127, 0, 1, 1));
        assert_eq!(source(PER_SOURCE), Ipv4Addr::new(127, 0, 1, 2));
        assert_eq!(source(PER_SOURCE * 250), Ipv4Addr::new(127, 0, 2, 1));
        assert_eq!(source(PER_SOURCE * 250 * 250), source(0));
    }
}
