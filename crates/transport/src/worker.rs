//! One worker thread: its runtime, its door, and the turn in which sockets, mail and time are served.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use engine::{Mailbox, Place, Policy, Shard, WorkerMail};
use model::{Moment, limits};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::door::{Door, Fallback, Route};
use crate::drive::Drive;
use crate::log::Throttle;
use crate::{Admission, Clock, Pulse};

/// How other threads reach a worker.
pub struct WorkerLink {
    /// Mail for its shard.
    pub mailbox: Arc<Mailbox<WorkerMail>>,
    /// Its signs of life.
    pub pulse: Pulse,
    adopted: Arc<Mailbox<TcpStream>>,
    wake: Arc<Notify>,
    is_leaving: AtomicBool,
    stop: AtomicBool,
    has_ended: AtomicBool,
}

/// What a worker is made of.
pub struct WorkerSetup {
    /// Its place in the node.
    pub place: Place,
    /// What clients may do.
    pub policy: Arc<Policy>,
    /// The clock that all threads share.
    pub clock: Clock,
    /// Where it accepts.
    pub listeners: Vec<TcpListener>,
    /// The clients' paths.
    pub routes: Arc<[Route]>,
    /// Who may connect.
    pub admission: Arc<Admission>,
    /// Answers what is not a client path.
    pub fallback: Option<Fallback>,
    /// Fragments of one message that a client sends.
    pub fragments_max: usize,
    /// All workers, in the order of their ids.
    pub workers: Arc<[WorkerLink]>,
}

impl WorkerLink {
    /// A link to a worker that has yet to start.
    pub fn new() -> Self {
        /// Sockets that other workers may hand over at once.
        const ADOPTED_MAX: usize = 1024;
        let wake = Arc::new(Notify::new());
        let waker = |wake: &Arc<Notify>| {
            let wake = Arc::clone(wake);
            Box::new(move || wake.notify_one())
        };
        let (entries, bytes) = (limits::WORKER_MAILBOX_ENTRIES_MAX, limits::WORKER_MAILBOX_BYTES_MAX);
        Self {
            mailbox: Arc::new(Mailbox::new(entries, bytes, waker(&wake))),
            adopted: Arc::new(Mailbox::new(ADOPTED_MAX, usize::MAX, waker(&wake))),
            pulse: Pulse::default(),
            wake,
            is_leaving: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            has_ended: AtomicBool::new(false),
        }
    }

    /// Lets in who waits to be accepted and nobody after them; ends the worker when its last connection has gone, or
    /// when [`limits::LAST_CLIENTS_DEADLINE`] has passed.
    pub fn leave(&self) {
        self.is_leaving.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// Whether the worker's sockets are closed, those that it listened on included.
    pub fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Acquire)
    }

    /// Ends the worker: what waits to be accepted is dropped, and so is every socket.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.wake.notify_one();
    }
}

impl Default for WorkerLink {
    fn default() -> Self {
        Self::new()
    }
}

/// Runs a worker on this thread until it is stopped.
pub fn run_worker(setup: WorkerSetup) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(serve(setup))
}

async fn serve(setup: WorkerSetup) -> io::Result<()> {
    let WorkerSetup { place, policy, clock, listeners, routes, admission, fallback, fragments_max, workers } =
        setup;
    let worker = place.worker;
    let link = &workers[usize::from(worker.0)];
    let door = Rc::new(Door {
        worker,
        clock,
        routes,
        admission,
        fallback,
        adopted: workers.iter().map(|link| Arc::clone(&link.adopted)).collect(),
        arrivals: RefCell::new(VecDeque::new()),
        wake: Arc::clone(&link.wake),
        handshakes: RefCell::new(JoinSet::new()),
        throttle: RefCell::new(Throttle::new()),
        acceptors: RefCell::new(JoinSet::new()),
        closing: watch::Sender::new(false),
    });
    for listener in listeners {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        door.acceptors.borrow_mut().spawn_local(Rc::clone(&door).accept(listener));
    }
    let shard = Shard::new(place, policy, clock.now());
    let drive = Drive::new(shard, clock, fragments_max)?;
    let ended = turn_until_stopped(drive, &door, link).await;
    let mut acceptors = door.acceptors.take();
    acceptors.shutdown().await;
    link.has_ended.store(true, Ordering::Release);
    ended
}

/// The worker's loop. Each turn serves, in this order: arrivals, mail, sockets, time; then one slice of
/// connections is written to. While work is left the runtime gets its turn in between, so that accepts and
/// handshakes go on; otherwise the loop sleeps until mail, a socket or the next tick.
async fn turn_until_stopped(mut drive: Drive, door: &Rc<Door>, link: &WorkerLink) -> io::Result<()> {
    let mut ticker = tokio::time::interval(Moment::TICK);
    ticker.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut adopted = Vec::new();
    let mut looks_at_sockets = true;
    let mut leaves_by = None;
    while !link.stop.load(Ordering::Acquire) {
        link.adopted.take(&mut adopted);
        for socket in adopted.drain(..) {
            if let Err(error) = door.adopt(socket) {
                tracing::debug!(%error, "socket of another worker was lost");
            }
        }
        drive.arrive(&door.arrivals);
        let (has_more, now) = drive.turn(looks_at_sockets)?;
        door.admission.set_count(door.worker, drive.connection_count() + door.handshake_count());
        link.pulse.beat(now);
        if link.is_leaving.load(Ordering::Acquire) {
            let by = *leaves_by.get_or_insert_with(|| {
                door.closing.send_replace(true);
                now + limits::LAST_CLIENTS_DEADLINE
            });
            if now >= by || (door.is_shut() && drive.connection_count() == 0) {
                break;
            }
        }
        if has_more {
            looks_at_sockets = true;
            tokio::task::yield_now().await;
            continue;
        }
        // A turn for mail alone saves a system call; two in a row would let the sockets starve.
        let looked_at_sockets = std::mem::replace(&mut looks_at_sockets, true);
        tokio::select! {
            biased;
            () = link.wake.notified() => looks_at_sockets = !looked_at_sockets,
            ready = drive.ready() => ready?,
            _ = ticker.tick() => {}
        }
    }
    drive.finish(Duration::from_secs(1));
    Ok(())
}
