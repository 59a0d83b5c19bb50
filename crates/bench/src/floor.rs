//! The floor: what the same deliveries cost with nothing but system calls. A thread sends one pre-encoded
//! frame to each receiver with `send(2)`, or several with one `writev`; the receivers are connections of the
//! same table, read by the same code as the node's.

use std::io::{IoSlice, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use socket2::SockRef;

use crate::client::Table;
use crate::connection::Speech;
use crate::error::Fault;
use crate::payload::{self, Clock};
use crate::stage::Stage;
use crate::{BenchError, process};

/// How long one send may wait for its receiver, and an answer of the sender for its rounds.
const PATIENCE: Duration = Duration::from_secs(10);
/// Rounds that may wait for the sender.
const ORDERS_MAX: usize = 16;

enum Order {
    /// Sends `count` frames to every receiver.
    Round { count: usize },
    /// From now on the frame is this one.
    Frame(Vec<u8>),
    /// Says how much CPU the thread has used.
    Cpu,
}

/// The sender thread. Its receivers stand in the table and are told apart from the node's by when they hear.
pub(crate) struct Floor {
    orders: SyncSender<Order>,
    answers: Receiver<u64>,
    thread: Option<JoinHandle<std::io::Result<()>>>,
}

impl Floor {
    /// Connects `count` receivers and starts their sender, confined to `cpu` if given.
    pub(crate) fn open(
        table: &mut Table,
        clock: Clock,
        count: usize,
        cpu: Option<usize>,
        stage: &Stage,
    ) -> Result<Self, BenchError> {
        let streams = connect(table, count, stage)?;
        let (orders, taken) = sync_channel(ORDERS_MAX);
        let (answer, answers) = sync_channel(1);
        let sender = Sender { streams, clock, frame: Vec::new() };
        let thread = std::thread::Builder::new()
            .name("floor".to_owned())
            .spawn(move || sender.run(cpu, &taken, &answer))
            .map_err(|error| Fault::Io(error).at(stage.name()))?;
        Ok(Self { orders, answers, thread: Some(thread) })
    }

    /// What is sent: a frame as the node sends it, whose stamp is replaced in each round.
    pub(crate) fn use_frame(&mut self, frame: &[u8], stage: &Stage) -> Result<(), BenchError> {
        self.order(Order::Frame(frame.to_vec()), stage)
    }

    /// Has `count` frames sent to every receiver.
    pub(crate) fn round(&mut self, count: usize, stage: &Stage) -> Result<(), BenchError> {
        self.order(Order::Round { count }, stage)
    }

    /// CPU of the sender so far, all ordered rounds included.
    pub(crate) fn cpu_ns(&mut self, stage: &Stage) -> Result<u64, BenchError> {
        self.order(Order::Cpu, stage)?;
        match self.answers.recv_timeout(PATIENCE) {
            Ok(ns) => Ok(ns),
            Err(_) => Err(self.failure(stage)),
        }
    }

    fn order(&mut self, order: Order, stage: &Stage) -> Result<(), BenchError> {
        match self.orders.try_send(order) {
            Ok(()) => Ok(()),
            Err(_) => Err(self.failure(stage)),
        }
    }

    /// Why the sender does not answer: its own error if it ended, else that it hangs behind.
    fn failure(&mut self, stage: &Stage) -> BenchError {
        let ended = self.thread.take_if(|thread| thread.is_finished());
        let source = match ended.map(JoinHandle::join) {
            Some(Ok(Err(source))) => source,
            Some(_) => std::io::Error::other("the floor's sender ended"),
            None => std::io::Error::other("the floor's sender hangs behind"),
        };
        Fault::Io(source).at(&format!("{} (floor)", stage.name()))
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        // Closes the orders, so that the thread ends; at the latest when a send has lost its patience.
        self.orders = sync_channel(0).0;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Sender {
    streams: Vec<TcpStream>,
    clock: Clock,
    frame: Vec<u8>,
}

impl Sender {
    /// Ends when the floor is dropped, which closes the orders.
    fn run(
        mut self,
        cpu: Option<usize>,
        orders: &Receiver<Order>,
        answers: &SyncSender<u64>,
    ) -> std::io::Result<()> {
        if let Some(cpu) = cpu {
            process::confine(cpu)?;
        }
        for order in orders {
            match order {
                Order::Round { count } => self.round(count)?,
                Order::Frame(frame) => self.frame = frame,
                Order::Cpu => {
                    if answers.send(process::thread_cpu_ns()).is_err() {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    fn round(&mut self, count: usize) -> std::io::Result<()> {
        payload::restamp(&mut self.frame, self.clock.stamp(Instant::now()));
        let slices = vec![IoSlice::new(&self.frame); count];
        for mut stream in &self.streams {
            let sent = match count {
                1 => stream.write(&self.frame)?,
                _ => stream.write_vectored(&slices)?,
            };
            if sent != self.frame.len() * count {
                return Err(std::io::Error::other("a socket buffer of the floor is full"));
            }
        }
        Ok(())
    }
}

/// Both ends of `count` connections; the receiving ends go to the table.
fn connect(table: &mut Table, count: usize, stage: &Stage) -> Result<Vec<TcpStream>, BenchError> {
    let failed = |error| Fault::Io(error).at(stage.name());
    let listener = TcpListener::bind("127.0.0.1:0").map_err(failed)?;
    // A receive timeout bounds `accept` too.
    SockRef::from(&listener).set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    let mut streams = Vec::with_capacity(count);
    for _ in 0..count {
        stage.check(Instant::now())?;
        streams.push(connect_one(table, &listener).map_err(failed)?);
    }
    Ok(streams)
}

fn connect_one(table: &mut Table, listener: &TcpListener) -> std::io::Result<TcpStream> {
    table.open_at_once(listener.local_addr()?, Speech::Frames)?;
    let (stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::TURN;
    use crate::connection::Event;
    use crate::{Options, wire};

    #[test]
    fn fifty_receivers_get_every_frame_of_every_round() {
        const RECEIVERS: usize = 50;
        let address = "127.0.0.1:1".parse().unwrap();
        let options = Options::new(1, address, address, "");
        let mut stage = Stage::begin("floor", &options);
        let clock = Clock::start();
        let mut table = Table::new().unwrap();
        let mut floor = Floor::open(&mut table, clock, RECEIVERS, None, &stage).unwrap();
        let push =
            format!("{{\"push\":{{\"channel\":\"a\",\"pub\":{{\"data\":{}}}}}}}", payload::of_size(128, 0));
        floor.use_frame(&wire::server_text(payload_of_full_width(&push).as_bytes()), &stage).unwrap();
        let before = floor.cpu_ns(&stage).unwrap();
        for count in [1, 4, 16] {
            floor.round(count, &stage).unwrap();
            let mut received = vec![0; RECEIVERS];
            while received.iter().sum::<usize>() < RECEIVERS * count {
                let listener = |index: usize, event: Event<'_>| {
                    if let Event::Push { stamp, at, .. } = event {
                        assert!(clock.since(stamp, at) < Duration::from_secs(5));
                        received[index] += 1;
                    }
                    Ok(())
                };
                table.turn(&mut stage, TURN, listener).unwrap();
            }
            assert_eq!(received, vec![count; RECEIVERS]);
        }
        assert!(floor.cpu_ns(&stage).unwrap() > before);
    }

    /// A stamp of 0 is one digit; frames of the node have sixteen.
    fn payload_of_full_width(push: &str) -> String {
        push.replacen(":0,", ":1000000000000000,", 1)
    }
}
