//! Where sockets come from: the worker's own listeners, until they are closed, and other workers.

use std::fs::File;
use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use tokio::net::TcpListener;

use super::Door;
use crate::admission::Rejection;
use crate::linux;

impl Door {
    /// Accepts on one socket until the door closes or the task is dropped.
    pub(crate) async fn accept(self: Rc<Self>, listener: TcpListener) {
        /// Pause after an error that is not about one connection.
        const PAUSE: Duration = Duration::from_millis(10);
        let mut closing = self.closing.subscribe();
        // Kept so that a socket can be accepted and dropped when no other descriptor is left: unaccepted
        // ones would wait for ever and wake the loop without end.
        let mut reserve = File::open("/dev/null").ok();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = closing.wait_for(|is_closing| *is_closing) => break,
            };
            match accepted {
                Ok((stream, peer)) => {
                    if let Err(error) = self.receive(stream, peer) {
                        tracing::debug!(%error, "accepted socket was lost");
                    }
                }
                Err(error) if linux::is_out_of_descriptors(&error) => {
                    drop(reserve.take());
                    // Only what already waits: the next to come may be served again.
                    drop(poll_fn(|context| Poll::Ready(listener.poll_accept(context))).await);
                    reserve = File::open("/dev/null").ok();
                    self.reject(Rejection::Overload, "the limit on open files (`ulimit -n`)", None);
                }
                Err(error) => {
                    tracing::debug!(%error, "accept failed");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        // Those who wait are told to go elsewhere: a socket that is closed with them in its queue resets them.
        if let Err(error) = listener.into_std().and_then(|listener| self.accept_waiting(&listener)) {
            tracing::debug!(%error, "who waited to be accepted was lost");
        }
    }

    /// Takes in a socket that another worker accepted.
    pub(crate) fn adopt(self: &Rc<Self>, socket: TcpStream) -> io::Result<()> {
        let peer = socket.peer_addr()?;
        self.begin(tokio::net::TcpStream::from_std(socket)?, peer);
        Ok(())
    }

    /// Whether nobody comes in any more, and nobody is on the way.
    pub(crate) fn is_shut(&self) -> bool {
        let mut acceptors = self.acceptors.borrow_mut();
        while acceptors.try_join_next().is_some() {}
        acceptors.is_empty() && self.handshake_count() == 0 && self.arrivals.borrow().is_empty()
    }

    fn accept_waiting(self: &Rc<Self>, listener: &std::net::TcpListener) -> io::Result<()> {
        loop {
            match listener.accept() {
                Ok((socket, peer)) => {
                    socket.set_nonblocking(true)?;
                    self.begin(tokio::net::TcpStream::from_std(socket)?, peer);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    fn receive(self: &Rc<Self>, stream: tokio::net::TcpStream, peer: SocketAddr) -> io::Result<()> {
        match self.admission.better_place(self.worker) {
            Some(other) => drop(self.adopted[usize::from(other.0)].offer(stream.into_std()?, 0)),
            None => self.begin(stream, peer),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::sync::Arc;

    use model::WorkerId;
    use tokio::runtime::{Builder, LocalOptions};
    use tokio::sync::watch;

    use super::*;
    use crate::admission::{Admission, AdmissionRules};
    use crate::{Clock, Throttle};

    #[test]
    fn who_waits_when_the_door_closes_is_let_in_and_nobody_after() {
        const WAITING: usize = 5;
        let builder = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
        builder.expect("a runtime").block_on(async {
            let door = door();
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
            let address = listener.local_addr().expect("an address");
            let connect = |_| TcpStream::connect(address).expect("it listens");
            let clients: Vec<TcpStream> = (0..WAITING).map(connect).collect();
            door.closing.send_replace(true);
            let acceptor = Rc::clone(&door).accept(listener);
            door.acceptors.borrow_mut().spawn_local(acceptor);
            while !door.acceptors.borrow().is_empty() {
                assert!(!door.is_shut(), "somebody waits");
                tokio::task::yield_now().await;
            }
            assert_eq!(door.handshake_count() as usize, WAITING);
            assert!(TcpStream::connect(address).is_err());
            drop(clients);
            while !door.is_shut() {
                tokio::task::yield_now().await;
            }
        });
    }

    fn door() -> Rc<Door> {
        let rules = AdmissionRules {
            allowed_origins: Vec::new(),
            allows_loopback: true,
            trusted_proxies: Vec::new(),
            proxy_protocol: false,
            connection_limit: 100,
            connect_rate: None,
        };
        let clock = Clock::start();
        Rc::new(Door {
            worker: WorkerId(0),
            clock,
            routes: Arc::new([]),
            admission: Arc::new(Admission::new(rules, 1, clock.moment())),
            fallback: None,
            adopted: Vec::new(),
            arrivals: RefCell::default(),
            wake: Arc::default(),
            handshakes: RefCell::default(),
            throttle: RefCell::new(Throttle::new()),
            acceptors: RefCell::default(),
            closing: watch::Sender::new(false),
        })
    }
}
