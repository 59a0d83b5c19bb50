//! The pub/sub connection to one primary: made again for as long as the primary is wanted, subscribed to all
//! that is at home there. No command is ever sent on it, and reading waits for nothing but the intake.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use model::limits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::time::Instant;

use crate::board::Board;
use crate::channels::Order;
use crate::dial::{Line, Purpose};
use crate::intake::ReadBuffer;
use crate::log;
use crate::names;
use crate::pause::Pause;
use crate::primary::{Link, Primary, Question};
use crate::probe::Probe;
use crate::rounds;
use crate::wire;

/// Why a connection is of no use any more.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("Redis closed the connection")]
    Closed,
    #[error("{0}")]
    Broken(io::Error),
    #[error("Redis was silent for {} s", limits::REDIS_SILENCE_MAX.as_secs())]
    Silent,
    #[error("Redis did not hand on the node's own probe")]
    Deaf,
    #[error("Redis spoke nonsense: {0}")]
    Nonsense(String),
}

/// Keeps the connection for as long as the task lives.
pub(crate) async fn run(board: Rc<Board>, primary: Rc<Primary>) {
    let mut pause = Pause::new();
    let endpoint = &primary.endpoint;
    loop {
        match board.setup.dialer.dial(endpoint, Purpose::Subscriptions).await {
            Ok(line) => {
                begin(&board, &primary);
                let begun = Instant::now();
                let ended = Hearing::new(&board, &primary, line).run().await;
                if begun.elapsed() > limits::REDIS_PAUSE_MAX {
                    pause.reset();
                }
                end(&board, &primary, &ended);
            }
            Err(error) => {
                if let Some(unsaid) =
                    board.throttle.borrow_mut().admit(log::Line::Unreachable, Instant::now())
                {
                    tracing::warn!(target: "fanfare::redis", %endpoint, %error, unsaid, "cannot subscribe");
                }
                board.doubt(format!("{endpoint}: {error}"));
            }
        }
        board.rest(pause.next()).await;
    }
}

/// Everything at home here is to be subscribed.
fn begin(board: &Board, primary: &Primary) {
    board.counters.borrow_mut().subscribers.made += 1;
    let link = &primary.link;
    link.asked.borrow_mut().clear();
    let orders = board.channels.borrow_mut().claim(primary.id);
    link.orders.borrow_mut().extend(orders);
    rounds::settle(board, primary);
    primary.probe.connected();
    link.is_up.set(true);
    board.signals.answered.notify_waiters();
    tracing::info!(target: "fanfare::redis", endpoint = %primary.endpoint, "subscriber connected");
}

/// Everything that was subscribed here is severed.
fn end(board: &Board, primary: &Primary, ended: &Ended) {
    let link = &primary.link;
    link.is_up.set(false);
    primary.probe.disconnected();
    link.asked.borrow_mut().clear();
    link.orders.borrow_mut().clear();
    // What was not taken in yet falls under what is told to be missing.
    link.full.borrow_mut().take();
    link.drained.borrow_mut().take();
    let mut events = Vec::new();
    board.channels.borrow_mut().sever(primary.id, &mut events);
    let severed = events.len();
    board.tell_all(events);
    let mut counters = board.counters.borrow_mut();
    counters.subscribers.lost += 1;
    counters.protocol_errors += u64::from(matches!(ended, Ended::Nonsense(_)));
    tracing::warn!(target: "fanfare::redis", endpoint = %primary.endpoint, %ended, severed, "subscriber lost");
    board.doubt(format!("{}: {ended}", primary.endpoint));
}

/// One connection, from its login to its end.
struct Hearing<'l> {
    board: &'l Board,
    link: &'l Link,
    probe: &'l Probe,
    reader: ReadHalf<Line>,
    writer: WriteHalf<Line>,
    /// Absent while the intake has it.
    buffer: Option<ReadBuffer>,
    /// What is to be written, from `written` on.
    out: Vec<u8>,
    written: usize,
    /// Whether something is to be written or flushed.
    needs_push: bool,
    /// Since when nothing came, as far as we have looked.
    heard: Instant,
    is_pinged: bool,
}

impl<'l> Hearing<'l> {
    fn new(board: &'l Board, primary: &'l Primary, line: Line) -> Self {
        let (reader, writer) = tokio::io::split(line);
        Self {
            board,
            link: &primary.link,
            probe: &primary.probe,
            reader,
            writer,
            buffer: Some(ReadBuffer::new()),
            out: Vec::new(),
            written: 0,
            needs_push: false,
            heard: Instant::now(),
            is_pinged: false,
        }
    }

    /// Serves the connection until it ends: reading first, since what was read shows that Redis lives.
    async fn run(mut self) -> Ended {
        loop {
            self.take_back();
            if let Some(fault) = self.buffer.as_mut().and_then(|buffer| buffer.fault.take()) {
                return Ended::Nonsense(fault);
            }
            if self.probe.is_given_up() {
                return Ended::Deaf;
            }
            self.fill();
            let patience = self.patience();
            let has_buffer = self.buffer.is_some();
            let space = self.buffer.as_mut().map(ReadBuffer::space).unwrap_or_default();
            tokio::select! {
                biased;
                read = self.reader.read(space), if has_buffer => match read {
                    Ok(0) => return Ended::Closed,
                    Ok(count) => self.on_read(count),
                    Err(error) => return Ended::Broken(error),
                },
                pushed = push(&mut self.writer, &self.out[self.written..]), if self.needs_push => match pushed {
                    Ok(0) => self.needs_push = false,
                    Ok(count) => self.written += count,
                    Err(error) => return Ended::Broken(error),
                },
                () = self.link.returned.notified() => {}
                () = self.link.ordered.notified() => {}
                () = tokio::time::sleep_until(patience), if has_buffer => {
                    if self.is_pinged {
                        return Ended::Silent;
                    }
                    self.is_pinged = true;
                    self.ping(None);
                }
            }
        }
    }

    /// Takes the buffer back from the intake.
    fn take_back(&mut self) {
        if self.buffer.is_none() {
            self.buffer = self.link.drained.borrow_mut().take();
            // While the intake had it we did not listen: that silence was ours.
            self.heard = Instant::now();
        }
    }

    fn on_read(&mut self, count: usize) {
        self.heard = Instant::now();
        self.is_pinged = false;
        self.board.counters.borrow_mut().bytes_read += count as u64;
        if let Some(mut buffer) = self.buffer.take() {
            buffer.filled(count);
            *self.link.full.borrow_mut() = Some(buffer);
            self.board.wake();
        }
    }

    /// Until when Redis may be silent: then a ping is sent, or the connection is given up.
    fn patience(&self) -> Instant {
        let silence = if self.is_pinged { limits::REDIS_SILENCE_MAX } else { Duration::ZERO };
        self.heard + limits::REDIS_PING_INTERVAL + silence
    }

    fn ping(&mut self, behind: Option<u64>) {
        self.link.asked.borrow_mut().push_back(Question::Ping { behind });
        wire::command(&[b"PING"], &mut self.out);
        self.needs_push = true;
    }

    /// Writes down what there is to be asked about the probe.
    fn fill_for_probe(&mut self) {
        if let Some(channel) = self.probe.begin_subscription() {
            let command = self.board.names.borrow().subscribe_command(true);
            wire::command(&[command.as_bytes(), &channel], &mut self.out);
            self.link.asked.borrow_mut().push_back(Question::Probe { channel });
            self.needs_push = true;
        }
        if let Some(number) = self.probe.chase() {
            self.ping(Some(number));
        }
    }

    /// Writes orders down as commands once the ones before have been written.
    fn fill(&mut self) {
        /// Batches written down at once.
        const BATCHES: usize = 8;
        if self.written < self.out.len() {
            return;
        }
        self.out.clear();
        self.written = 0;
        self.fill_for_probe();
        let mut begun = Vec::new();
        {
            let (mut orders, mut channels) =
                (self.link.orders.borrow_mut(), self.board.channels.borrow_mut());
            while begun.len() < BATCHES * limits::REDIS_SUBSCRIBE_BATCH_MAX {
                let Some(order) = orders.pop_front() else { break };
                if channels.begin(&order) {
                    begun.push(order);
                }
            }
        }
        if begun.is_empty() {
            return;
        }
        self.needs_push = true;
        let names = self.board.names.borrow();
        let slot = |order: &Order| {
            if names.is_cluster { names::slot(&names.channel_key(&order.channel)) } else { 0 }
        };
        begun.sort_by_cached_key(|order| (order.is_subscribe, slot(order)));
        // Redis Cluster takes channels of one slot alone in a command.
        let same = |a: &Order, b: &Order| a.is_subscribe == b.is_subscribe && slot(a) == slot(b);
        for batch in begun.chunk_by(same).flat_map(|same| same.chunks(limits::REDIS_SUBSCRIBE_BATCH_MAX)) {
            wire::head(batch.len() + 1, &mut self.out);
            wire::bulk(names.subscribe_command(batch[0].is_subscribe).as_bytes(), &mut self.out);
            for order in batch {
                wire::bulk(&names.channel_key(&order.channel), &mut self.out);
            }
            let orders = batch.iter().cloned().collect();
            self.link.asked.borrow_mut().push_back(Question::Channels { orders });
        }
    }
}

/// Writes some of what is pending, or flushes when nothing is; may be given up at any time.
async fn push(writer: &mut WriteHalf<Line>, pending: &[u8]) -> io::Result<usize> {
    if pending.is_empty() {
        return writer.flush().await.map(|()| 0);
    }
    match writer.write(pending).await {
        Ok(0) => Err(io::ErrorKind::WriteZero.into()),
        wrote => wrote,
    }
}
