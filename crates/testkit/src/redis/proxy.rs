//! The network between a node and a server, made to fail on request, without privileges.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle, Scope};
use std::time::Duration;

use super::ports;
use crate::wait::{PATIENCE, holds_within};

/// How long the server may take to accept a connection.
const CONNECT_DEADLINE: Duration = Duration::from_secs(2);
/// What one thread carries at once.
const PIECE_BYTES_MAX: usize = 64 << 10;

/// A proxy in front of one port of loopback. Its connections and threads end when it is dropped.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    /// Held while something changes, which takes the acceptor's help.
    control: Mutex<()>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Pass,
    Delay(Duration),
    Mute,
    Stall,
    Refuse,
    End,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    ToServer,
    ToClient,
}

struct Shared {
    port: u16,
    server: SocketAddr,
    state: Mutex<State>,
    /// Told at every change.
    changed: Condvar,
}

struct State {
    mode: Mode,
    listening: bool,
    accepted: u64,
    /// Both ends of every open connection, by its number.
    links: HashMap<u64, Vec<TcpStream>>,
    /// While connections are severed: where those came from that were waiting to be accepted.
    severed: Option<Vec<SocketAddr>>,
}

impl Proxy {
    /// Starts one in front of this port, passing everything.
    pub fn start(server_port: u16) -> Self {
        let (port, listener) = (0..100)
            .find_map(|_| {
                let port = ports::free();
                Some((port, TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()?))
            })
            .expect("one of many free ports stays free");
        let state =
            State { mode: Mode::Pass, listening: true, accepted: 0, links: HashMap::new(), severed: None };
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, server_port));
        let shared = Arc::new(Shared { port, server, state: Mutex::new(state), changed: Condvar::new() });
        let acceptor = thread::spawn({
            let shared = Arc::clone(&shared);
            move || thread::scope(|scope| shared.accept(listener, scope))
        });
        Self { port, shared, control: Mutex::new(()), acceptor: Some(acceptor) }
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address for a client of Redis.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Carries everything again, what was held back included.
    pub fn pass(&self) {
        self.change(Mode::Pass);
    }

    /// Carries every piece this much later, in both directions.
    pub fn delay(&self, delay: Duration) {
        self.change(Mode::Delay(delay));
    }

    /// Carries what clients send, and holds the answers back.
    pub fn mute(&self) {
        self.change(Mode::Mute);
    }

    /// Accepts, carries nothing, closes nothing.
    pub fn stall(&self) {
        self.change(Mode::Stall);
    }

    /// Closes all connections and accepts no more, as if nobody listened.
    pub fn refuse(&self) {
        self.change(Mode::Refuse);
    }

    /// Closes all connections there are, at both ends; what was held back is lost.
    pub fn sever(&self) {
        let _control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        self.shared.sever();
    }

    /// How many connections were accepted so far.
    pub fn accepted(&self) -> u64 {
        self.shared.state().accepted
    }

    /// How many are open.
    pub fn open(&self) -> usize {
        self.shared.state().links.len()
    }

    fn change(&self, mode: Mode) {
        let _control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        self.shared.change(mode);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.change(Mode::End);
        if let Some(acceptor) = self.acceptor.take() {
            drop(acceptor.join());
        }
    }
}

impl Shared {
    /// Sets the mode, and waits until the port is as the mode wants it.
    fn change(&self, mode: Mode) {
        let mut state = self.state();
        state.mode = mode;
        let listens = !matches!(mode, Mode::Refuse | Mode::End);
        if !listens {
            close_all(&mut state);
        }
        let wakes = !listens && state.listening;
        drop(state);
        self.changed.notify_all();
        if wakes {
            // The acceptor looks at the mode after every connection. Refused is as good: it has looked.
            drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
        }
        let settled =
            self.changed.wait_timeout_while(self.state(), PATIENCE, |state| state.listening != listens);
        let (state, _) = settled.unwrap_or_else(PoisonError::into_inner);
        assert_eq!(state.listening, listens, "the proxy follows its mode");
    }

    /// Closes what is open, and what the kernel holds for the acceptor: all that came before a connection of
    /// our own.
    fn sever(&self) {
        let mut state = self.state();
        close_all(&mut state);
        self.changed.notify_all();
        if !state.listening {
            return;
        }
        state.severed = Some(Vec::new());
        drop(state);
        let last = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).and_then(|last| last.local_addr());
        let last = last.expect("the proxy accepts a connection");
        let missing = |state: &mut State| !state.severed.iter().flatten().any(|from| *from == last);
        let waited = self.changed.wait_timeout_while(self.state(), PATIENCE, missing);
        let (mut state, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!waited.timed_out(), "the proxy accepts in time");
        let severed = state.severed.take().unwrap_or_default();
        // Ours does not count.
        state.accepted += severed.len() as u64 - 1;
    }

    fn accept<'scope>(&'scope self, mut listener: TcpListener, scope: &'scope Scope<'scope, '_>) {
        loop {
            let (client, from) = listener.accept().expect("a connection from loopback is accepted");
            if self.admit(client, from, scope) {
                continue;
            }
            drop(listener);
            match self.listen_again() {
                Some(again) => listener = again,
                None => return,
            }
        }
    }

    /// Gives a connection a thread, unless the mode wants none.
    fn admit<'scope>(
        &'scope self,
        client: TcpStream,
        from: SocketAddr,
        scope: &'scope Scope<'scope, '_>,
    ) -> bool {
        let mut state = self.state();
        if matches!(state.mode, Mode::Refuse | Mode::End) {
            return false;
        }
        if let Some(severed) = &mut state.severed {
            severed.push(from);
            self.changed.notify_all();
            return true;
        }
        state.accepted += 1;
        let number = state.accepted;
        state.links.insert(number, client.try_clone().into_iter().collect());
        scope.spawn(move || self.carry(number, client));
        true
    }

    /// Tells that the port is closed and opens it when the mode wants that; none at the end.
    fn listen_again(&self) -> Option<TcpListener> {
        let mut state = self.state();
        state.listening = false;
        self.changed.notify_all();
        let waited = self.changed.wait_while(state, |state| state.mode == Mode::Refuse);
        if waited.unwrap_or_else(PoisonError::into_inner).mode == Mode::End {
            return None;
        }
        let listener = self.listen();
        self.state().listening = true;
        self.changed.notify_all();
        Some(listener)
    }

    fn listen(&self) -> TcpListener {
        let mut listener = None;
        holds_within(PATIENCE, || {
            listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).ok();
            listener.is_some()
        });
        listener.expect("nobody else takes the proxy's port")
    }

    /// One connection, until either side closes.
    fn carry(&self, number: u64, client: TcpStream) {
        if self.may_carry(number, Direction::ToServer) {
            let connected = TcpStream::connect_timeout(&self.server, CONNECT_DEADLINE);
            drop(connected.and_then(|server| self.carry_both(number, &client, &server)));
        }
        close(&client);
        self.state().links.remove(&number);
    }

    fn carry_both(&self, number: u64, client: &TcpStream, server: &TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        match self.state().links.get_mut(&number) {
            Some(ends) => ends.push(server.try_clone()?),
            None => return Ok(()),
        }
        thread::scope(|scope| {
            scope.spawn(|| self.carry_one_way(number, Direction::ToClient, server, client));
            self.carry_one_way(number, Direction::ToServer, client, server);
        });
        Ok(())
    }

    fn carry_one_way(&self, number: u64, direction: Direction, mut from: &TcpStream, mut to: &TcpStream) {
        let mut piece = vec![0; PIECE_BYTES_MAX];
        loop {
            let length = from.read(&mut piece);
            if !self.may_carry(number, direction) {
                break;
            }
            match length {
                Ok(0) => return drop(to.shutdown(Shutdown::Write)),
                Ok(length) if to.write_all(&piece[..length]).is_ok() => {}
                Ok(_) | Err(_) => break,
            }
        }
        close(from);
        close(to);
    }

    /// Waits as the mode demands; false if the connection is to close.
    fn may_carry(&self, number: u64, direction: Direction) -> bool {
        let mut state = self.state();
        if let Mode::Delay(delay) = state.mode {
            let lives = |state: &mut State| state.links.contains_key(&number);
            let waited = self.changed.wait_timeout_while(state, delay, lives);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let held = |state: &mut State| {
            let holds =
                state.mode == Mode::Stall || (state.mode == Mode::Mute && direction == Direction::ToClient);
            holds && state.links.contains_key(&number)
        };
        state = self.changed.wait_while(state, held).unwrap_or_else(PoisonError::into_inner);
        state.links.contains_key(&number)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn close_all(state: &mut State) {
    state.links.drain().flat_map(|(_, ends)| ends).for_each(|end| close(&end));
}

fn close(stream: &TcpStream) {
    drop(stream.shutdown(Shutdown::Both));
}
