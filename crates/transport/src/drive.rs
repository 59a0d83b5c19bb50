//! One turn of a worker: what arrived is read and handed to the shard, what the shard wants sent is written.
//! An idle connection is a descriptor in this thread's epoll and an entry in two tables; it has no task, no
//! timer and no buffer of its own.

mod receive;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};
use std::net::Shutdown;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use engine::{Denial, Flush, Notice, Shard, Written};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Registry, Token};
use model::{Moment, Now, limits};
use socket2::SockRef;
use tokio::io::unix::AsyncFd;

use receive::Held;

use crate::Clock;
use crate::door::Arrival;
use crate::log::{self, Throttle};
use crate::websocket::Reader;

/// Bytes read at once, for all connections of a worker in turn.
const SCRATCH_BYTES: usize = 64 * 1024;
/// Reads from one socket before the others get their turn.
const READS_PER_TURN: usize = 4;
/// Sockets reported ready at once.
const EVENTS_PER_POLL: usize = 1024;

/// The sockets of one worker and the shard they feed.
pub(crate) struct Drive {
    shard: Shard,
    clock: Clock,
    fragments_max: usize,
    poll: Poll,
    /// Tells the runtime when `poll` has something to report.
    watch: AsyncFd<Registry>,
    events: Events,
    links: Vec<Option<Link>>,
    scratch: Vec<u8>,
    /// Connections whose socket holds more than one turn's reads.
    ready: VecDeque<u32>,
    /// Bytes kept of messages that are not whole or not yet taken.
    unfinished: usize,
    lingering: usize,
    tick: u32,
    slots: Vec<u32>,
    notices: Vec<Notice>,
    throttle: Throttle<{ Denial::COUNT }>,
}

/// The transport's side of a connection.
struct Link {
    socket: TcpStream,
    reader: Reader,
    /// What was read beyond a command that waits.
    held: Option<Box<Held>>,
    /// The socket was reported readable and not read to its end.
    has_unread: bool,
    /// It is among those whose socket holds more than one turn's reads.
    is_in_line: bool,
    peer_closed: bool,
    is_lingering: bool,
}

impl Drive {
    pub(crate) fn new(shard: Shard, clock: Clock, fragments_max: usize) -> io::Result<Self> {
        let poll = Poll::new()?;
        let registry = poll.registry().try_clone()?;
        #[expect(
            deprecated,
            reason = "safe here, as a registry owns its descriptor; the successor is unsafe to call"
        )]
        let watch = AsyncFd::with_interest(registry, tokio::io::Interest::READABLE)?;
        Ok(Self {
            shard,
            clock,
            fragments_max,
            poll,
            watch,
            events: Events::with_capacity(EVENTS_PER_POLL),
            links: Vec::new(),
            scratch: vec![0; SCRATCH_BYTES],
            ready: VecDeque::new(),
            unfinished: 0,
            lingering: 0,
            tick: 0,
            slots: Vec::new(),
            notices: Vec::new(),
            throttle: Throttle::new(),
        })
    }

    /// Waits until a socket is reported ready.
    pub(crate) async fn ready(&mut self) -> io::Result<()> {
        self.watch.readable_mut().await?.clear_ready();
        Ok(())
    }

    pub(crate) fn connection_count(&self) -> u32 {
        self.shard.connection_count()
    }

    /// Registers sockets whose handshake is done.
    pub(crate) fn arrive(&mut self, arrivals: &RefCell<VecDeque<Arrival>>) {
        loop {
            let Some(arrival) = arrivals.borrow_mut().pop_front() else {
                return;
            };
            let Arrival { socket, variant, greeting, mut early } = arrival;
            let now = self.clock.now();
            let mut socket = TcpStream::from_std(socket);
            let slot = self.shard.open(variant, greeting, now);
            let interest = Interest::READABLE | Interest::WRITABLE;
            if let Err(error) = self.poll.registry().register(&mut socket, Token(slot as usize), interest) {
                tracing::warn!(%error, "a connection could not be watched");
                self.shard.gone(slot, now);
                continue;
            }
            if self.links.len() <= slot as usize {
                self.links.resize_with(slot as usize + 1, || None);
            }
            let (reader, held) = (Reader::default(), None);
            let link = Link {
                socket,
                reader,
                held,
                has_unread: false,
                is_in_line: false,
                peer_closed: false,
                is_lingering: false,
            };
            self.links[slot as usize] = Some(link);
            if !early.is_empty() && self.shard.is_open(slot) {
                let mut bytes = std::mem::take(&mut early).to_vec();
                self.guarded(slot, now, |drive| drive.digest(slot, &mut bytes, now));
            }
        }
    }

    /// Serves mail, sockets if they are to be looked at, and time; writes to a slice of the connections that
    /// have something to receive. Returns whether work is left, and the moment of the turn.
    pub(crate) fn turn(&mut self, looks_at_sockets: bool) -> io::Result<(bool, Moment)> {
        let now = self.clock.now();
        let mail_waits = self.shard.on_mail(now);
        // Before time passes, so that a pong that has arrived is not found missing.
        let mut has_more = false;
        if looks_at_sockets || now.tick() != self.tick {
            has_more = self.serve_sockets(now)?;
        }
        self.serve_resumed(now);
        if now.tick() != self.tick {
            self.tick = now.tick();
            self.serve_time(now);
        }
        // Before writing, so that the broker thread works meanwhile.
        self.shard.flush_requests();
        has_more |= self.flush_slice(now);
        self.shed(now);
        self.write_notices(now);
        Ok((mail_waits || has_more || !self.ready.is_empty(), now.moment))
    }

    /// Writes what can be written at once and drops every socket.
    pub(crate) fn finish(&mut self, patience: Duration) {
        let deadline = self.clock.moment() + patience;
        while self.flush_slice(self.clock.now()) && self.clock.moment() < deadline {}
        self.links.clear();
    }

    /// Serves the sockets that are ready; true when more may be.
    fn serve_sockets(&mut self, now: Now) -> io::Result<bool> {
        for _ in 0..self.ready.len() {
            if let Some(slot) = self.ready.pop_front() {
                if let Some(link) = self.link(slot) {
                    link.is_in_line = false;
                }
                self.guarded(slot, now, |drive| drive.receive(slot, now));
            }
        }
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        match self.poll.poll(&mut events, Some(Duration::ZERO)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        for event in &events {
            let slot = event.token().0 as u32;
            if event.is_writable() {
                self.shard.writable(slot);
            }
            if event.is_readable() || event.is_read_closed() || event.is_error() {
                let Some(link) = self.link(slot) else {
                    continue;
                };
                link.peer_closed |= event.is_read_closed() || event.is_error();
                // Whoever had its reads of this turn already waits for the next.
                if !link.is_in_line {
                    self.guarded(slot, now, |drive| drive.receive(slot, now));
                }
            }
        }
        // A full list may have left some out, and what was left out is not reported anew.
        let has_more = events.iter().count() == EVENTS_PER_POLL;
        self.events = events;
        Ok(has_more)
    }

    /// Runs one connection's part of the turn. Its panic ends that connection and no other.
    fn guarded(&mut self, slot: u32, now: Now, part: impl FnOnce(&mut Self)) {
        if catch_unwind(AssertUnwindSafe(|| part(self))).is_err() {
            if self.scratch.is_empty() {
                self.scratch = vec![0; SCRATCH_BYTES];
            }
            // What the message that panicked was counted with is no longer known.
            self.unfinished = self.links.iter().flatten().map(Link::unfinished).sum();
            tracing::error!(slot, "handling a connection panicked; it is closed");
            self.shard.close_after_panic(slot, now);
        }
    }

    fn link(&mut self, slot: u32) -> Option<&mut Link> {
        self.links.get_mut(slot as usize)?.as_mut()
    }

    fn serve_time(&mut self, now: Now) {
        let mut resets = std::mem::take(&mut self.slots);
        self.shard.on_tick(now, &mut resets);
        for slot in resets.drain(..) {
            if let Some(link) = self.link(slot) {
                // Nobody will read what is queued: let the kernel forget it too.
                SockRef::from(&link.socket).set_linger(Some(Duration::ZERO)).ok();
            }
            self.drop_link(slot, now);
        }
        self.slots = resets;
    }

    /// Writes to some of the connections that have something to receive; true when others are left.
    fn flush_slice(&mut self, now: Now) -> bool {
        for _ in 0..limits::FLUSH_SLICE {
            let Some(slot) = self.shard.next_dirty() else {
                return false;
            };
            self.flush(slot, now);
        }
        self.shard.has_dirty()
    }

    fn flush(&mut self, slot: u32, now: Now) {
        let clock = self.clock;
        let Some(link) = self.links.get_mut(slot as usize).and_then(Option::as_mut) else {
            return;
        };
        let outcome = self.shard.flush(slot, |slices| write(&mut link.socket, slices, clock));
        match outcome {
            Flush::Empty | Flush::Blocked => {}
            Flush::Failed => self.drop_link(slot, now),
            Flush::Finished => self.shut(slot, now),
        }
    }

    /// The close frame is out: shuts the write side and waits for the peer, which drops unread input here
    /// instead of answering it with a reset that would hide the close code.
    fn shut(&mut self, slot: u32, now: Now) {
        let may_linger = self.lingering < limits::LINGERING_PER_WORKER_MAX;
        let Some(link) = self.link(slot) else {
            return;
        };
        if !may_linger || link.socket.shutdown(Shutdown::Write).is_err() {
            return self.drop_link(slot, now);
        }
        link.is_lingering = true;
        // Input that was left unread while a command waited is discarded like all that follows.
        let has_unread = link.has_unread;
        self.forget_unfinished(slot);
        self.lingering += 1;
        self.shard.linger(slot, now);
        if has_unread {
            self.receive(slot, now);
        }
    }

    /// Closes those who hold the most when all together hold too much.
    fn shed(&mut self, now: Now) {
        let mut closed = std::mem::take(&mut self.slots);
        let links = &self.links;
        let unfinished_of =
            |slot: u32| links.get(slot as usize).and_then(Option::as_ref).map_or(0, Link::unfinished);
        self.shard.shed(self.unfinished, unfinished_of, &mut closed, now);
        for slot in closed.drain(..) {
            self.forget_unfinished(slot);
        }
        self.slots = closed;
    }

    /// Frees what came in and will not be taken any more.
    fn forget_unfinished(&mut self, slot: u32) {
        if let Some(link) = self.links.get_mut(slot as usize).and_then(Option::as_mut) {
            self.unfinished -= link.unfinished();
            link.reader = Reader::default();
            link.held = None;
        }
    }

    fn drop_link(&mut self, slot: u32, now: Now) {
        if let Some(link) = self.links.get_mut(slot as usize).and_then(Option::take) {
            self.lingering -= usize::from(link.is_lingering);
            self.unfinished -= link.unfinished();
            self.shard.gone(slot, now);
        }
    }

    fn write_notices(&mut self, now: Now) {
        self.shard.take_notices(&mut self.notices);
        for notice in self.notices.drain(..) {
            log::write(notice, &mut self.throttle, now.moment);
        }
    }
}

impl Link {
    /// Bytes kept of a message that is not whole, or not yet taken.
    fn unfinished(&self) -> usize {
        self.reader.kept() + self.held.as_ref().map_or(0, |held| held.size())
    }
}

fn write(socket: &mut TcpStream, slices: &[IoSlice<'_>], clock: Clock) -> Written {
    loop {
        let written = match slices {
            [single] => socket.write(single),
            several => socket.write_vectored(several),
        };
        match written {
            Ok(0) => return Written::Failed,
            Ok(count) => return Written::Bytes(count, clock.moment()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Written::Blocked,
            Err(_) => return Written::Failed,
        }
    }
}
