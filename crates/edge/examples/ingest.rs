//! What one publication out of Redis costs a node until a subscriber has it in its outbox, sockets to clients left
//! out: a server in this process plays pushes back as fast as they are read. Prints publications per second of the
//! node's CPU and memory under that overload. `cargo run --release -p edge --example ingest [SECONDS]`
#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use std::collections::BTreeMap;
use std::fs;
use std::hash::RandomState;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant};

use auth::{Config, Verifier};
use broker_redis::{FormatVersion, Library, RedisBroker, RedisConfig, RedisView, Surroundings};
use bytes::Bytes;
use engine::{ClientConfig, Mailbox, NamespaceConfig, Node, Place, Policy, Rules, Shard, Written};
use model::{Moment, Period, WorkerId, limits};
use protocol::{Encoders, Frame, FrameKind, Variant};
use protocol_centrifugal::CentrifugalJson;
use tokio::runtime::LocalRuntime;
use tokio::sync::Notify;
use transport::{Clock, WebSocketFraming};

/// The program's own.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const CHANNELS: usize = 1000;
const PAYLOAD_BYTES: usize = 128;
const SECONDS: u64 = 10;
/// Longest time until all channels are subscribed, and until the last delivery.
const PATIENCE: Duration = Duration::from_secs(20);
/// Agreed publications per second and core.
const TARGET: f64 = 1_200_000.0;

fn main() {
    let seconds = std::env::args().nth(1).map_or(SECONDS, |text| text.parse().expect("a number of seconds"));
    let (begin, begun) = sync_channel(1);
    let redis = play_back(begun, Duration::from_secs(seconds));
    let runtime = LocalRuntime::new().expect("a runtime");
    let figures = runtime.block_on(async { Bench::start(redis).run(&begin, seconds).await });
    figures.print();
}

struct Figures {
    taken_in: u64,
    delivered: u64,
    cpu: Duration,
    elapsed: Duration,
    /// Resident bytes, once each second.
    memory: Vec<u64>,
}

impl Figures {
    fn print(&self) {
        let per_core = self.taken_in as f64 / self.cpu.as_secs_f64();
        let verdict = if per_core >= TARGET { "met" } else { "MISSED" };
        println!("{} publications taken in, {} delivered", self.taken_in, self.delivered);
        println!("{per_core:.0} per second of CPU, at least {TARGET:.0}: {verdict}");
        println!("{:.0} ns each; the node used {:.0} % of a core", 1e9 / per_core, 100.0 * self.share());
        let mebibytes: Vec<u64> = self.memory.iter().map(|bytes| bytes >> 20).collect();
        println!("resident MiB, second by second: {mebibytes:?}");
    }

    fn share(&self) -> f64 {
        self.cpu.as_secs_f64() / self.elapsed.as_secs_f64()
    }
}

/// The broker thread and one worker, on one thread.
struct Bench {
    node: Node,
    requests: Arc<Mailbox<engine::NodeRequest>>,
    shard: Shard,
    view: RedisView,
    clock: Clock,
    wake: Arc<Notify>,
    sent_bytes: u64,
}

impl Bench {
    fn start(redis: SocketAddr) -> Self {
        let (clock, wake) = (Clock::start(), Arc::new(Notify::new()));
        let config = RedisConfig { url: format!("redis://{redis}"), ..RedisConfig::default() };
        let waker = Arc::clone(&wake);
        let broker = RedisBroker::start(
            &config,
            Surroundings {
                wake: Arc::new(move || waker.notify_one()),
                unix_micros: Box::new(move |moment| clock.unix_micros(moment)),
                origin: "ingest".to_owned(),
                publication_bytes_max: Box::new(|| 64 << 10),
                envelope: FormatVersion::of_envelope(),
                library: Library::current(),
                accepts_unsigned: Box::new(|_| true),
            },
        );
        let broker = broker.expect("settings that hold");
        let (view, presence) = (broker.view(), broker.presence());
        let mut encoders = Encoders::default();
        let variant = encoders.add(Arc::new(CentrifugalJson), &WebSocketFraming);
        let client =
            ClientConfig { insecure: true, ping_interval: Period::seconds(0), ..ClientConfig::default() };
        let channels = NamespaceConfig { client_subscribe: true, ..NamespaceConfig::default() };
        let dice = RandomState::new();
        let (requests, mailbox) = (mailbox(), mailbox());
        let policy = Arc::new(Policy {
            client,
            rules: Arc::new(Rules::new(&channels, &BTreeMap::new(), true)),
            verifier: Verifier::new(&Config::default()).expect("no key is no fault"),
            publication_bytes_max: 1 << 18,
            outbox_bytes: 1 << 20,
            lapses_per_tick: 50,
            outbox_bytes_total: 1 << 30,
        });
        let node = Node::new(
            (Box::new(broker), Box::new(presence)),
            Arc::clone(&policy),
            encoders.clone(),
            vec![Arc::clone(&mailbox)],
            dice.clone(),
        );
        let place =
            Place { worker: WorkerId(0), mailbox, node: Arc::clone(&requests), encoders, dice, tracer: None };
        let shard = Shard::new(place, policy, clock.now());
        let mut bench = Self { node, requests, shard, view, clock, wake, sent_bytes: 0 };
        (0..CHANNELS).for_each(|nth| bench.subscribe(variant, nth));
        bench
    }

    /// One client, subscribed to one channel.
    fn subscribe(&mut self, variant: Variant, nth: usize) {
        let now = self.clock.now();
        let slot = self.shard.open(variant, Bytes::new(), now);
        let text = format!(
            "{{\"id\":1,\"connect\":{{}}}}\n{{\"id\":2,\"subscribe\":{{\"channel\":\"{}\"}}}}",
            name(nth)
        );
        self.shard.on_frame(slot, Frame { kind: FrameKind::Text, payload: text.as_bytes() }, now);
        self.shard.flush_requests();
    }

    async fn run(mut self, begin: &SyncSender<()>, seconds: u64) -> Figures {
        let begun = Instant::now();
        while self.shard.count().subscriptions < CHANNELS as u64 || !self.node.is_quiet() {
            assert!(begun.elapsed() < PATIENCE, "not all channels are subscribed");
            self.turn().await;
        }
        let before = cpu();
        let begun = Instant::now();
        begin.send(()).expect("the server waits for it");
        let mut memory = Vec::new();
        let mut taken_in = 0;
        let mut moved = Instant::now();
        let mut elapsed = Duration::ZERO;
        // The server stops by itself; what it has written is still taken in.
        while begun.elapsed() < Duration::from_secs(seconds) || moved.elapsed() < Duration::from_secs(1) {
            self.turn().await;
            let now_in = self.view.counters().publications;
            if now_in > taken_in {
                (taken_in, moved, elapsed) = (now_in, Instant::now(), begun.elapsed());
            }
            if begun.elapsed().as_secs() > memory.len() as u64 {
                memory.push(resident());
            }
            assert!(begun.elapsed() < Duration::from_secs(seconds) + PATIENCE, "it does not end");
        }
        let delivered = self.shard.count().deliveries_by_namespace.iter().sum();
        assert!(self.sent_bytes > delivered * PAYLOAD_BYTES as u64, "deliveries reach the outboxes' end");
        Figures { taken_in, delivered, cpu: cpu().saturating_sub(before), elapsed, memory }
    }

    /// What a broker thread and a worker do when they are woken; the socket of every client takes everything.
    async fn turn(&mut self) {
        self.node.on_requests(&self.requests, self.clock.now());
        let now = self.clock.now();
        loop {
            let has_more = self.shard.on_mail(now);
            while let Some(slot) = self.shard.next_dirty() {
                let sent_bytes = &mut self.sent_bytes;
                self.shard.flush(slot, |slices| {
                    let bytes = slices.iter().map(|slice| slice.len()).sum();
                    *sent_bytes += bytes as u64;
                    Written::Bytes(bytes, now.moment)
                });
            }
            if !has_more {
                break;
            }
        }
        self.shard.take_resumed(&mut Vec::new());
        self.shard.flush_requests();
        if self.requests.waiting().entries == 0 {
            drop(tokio::time::timeout(Moment::TICK, self.wake.notified()).await);
            tokio::task::yield_now().await;
        }
    }
}

fn mailbox<T>() -> Arc<Mailbox<T>> {
    let (entries, bytes) = (limits::WORKER_MAILBOX_ENTRIES_MAX, limits::WORKER_MAILBOX_BYTES_MAX);
    Arc::new(Mailbox::new(entries, bytes, Box::new(|| {})))
}

fn name(nth: usize) -> String {
    format!("bench-{nth}")
}

/// A server that answers as Redis does what a node asks it, and plays pushes back to whoever subscribed, for a
/// time, when it is told to.
fn play_back(begun: std::sync::mpsc::Receiver<()>, time: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let begun = Arc::new(std::sync::Mutex::new(begun));
    std::thread::spawn(move || {
        // One to look for primaries, one for commands, one for subscriptions.
        for stream in listener.incoming().take(16).flatten() {
            let begun = Arc::clone(&begun);
            // An error is the end of the measurement.
            std::thread::spawn(move || serve(stream, &begun, time));
        }
    });
    address
}

fn serve(
    mut stream: TcpStream,
    begun: &std::sync::Mutex<std::sync::mpsc::Receiver<()>>,
    time: Duration,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut subscribed = 0;
    while subscribed < CHANNELS {
        let command = read_command(&mut reader)?;
        let mut answer = Vec::new();
        match command[0].to_ascii_uppercase().as_slice() {
            b"INFO" => {
                let text = "redis_version:7.2.0\r\nredis_mode:standalone\r\nrole:master\r\nloading:0\r\n";
                answer = format!("${}\r\n{text}\r\n", text.len()).into_bytes();
            }
            b"FCALL" => answer.extend(b":1000\r\n"),
            b"PING" => answer.extend(b"+PONG\r\n"),
            // The node's probe; it goes without.
            b"PUBLISH" => answer.extend(b"-NOPERM no probes here\r\n"),
            b"SUBSCRIBE" => {
                for channel in &command[1..] {
                    let kind = b"*3\r\n$9\r\nsubscribe\r\n";
                    answer.extend([&kind[..], &bulk(channel), b":1\r\n"].concat());
                    subscribed += usize::from(channel.starts_with(b"fanfare:ch:bench-"));
                }
            }
            _ => answer.extend(b"+OK\r\n"),
        }
        stream.write_all(&answer)?;
    }
    let pushes: Vec<u8> = (0..CHANNELS).flat_map(push).collect();
    // Only the first subscriber's thread is told; the node has but one.
    let begun = begun.lock().map(|begun| begun.recv());
    if matches!(begun, Ok(Ok(()))) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            stream.write_all(&pushes)?;
        }
    }
    // Nothing is asked of this connection any more but pings.
    while read_command(&mut reader).is_ok() {
        stream.write_all(b"*2\r\n$4\r\npong\r\n$0\r\n\r\n")?;
    }
    Ok(())
}

fn push(nth: usize) -> Vec<u8> {
    let filler = "x".repeat(PAYLOAD_BYTES - "{\"id\":1234567,\"text\":\"\"}".len());
    let payload = format!("{{\"id\":1234567,\"text\":\"{filler}\"}}");
    let channel = format!("fanfare:ch:{}", name(nth));
    [b"*3\r\n$7\r\nmessage\r\n", &bulk(channel.as_bytes())[..], &bulk(payload.as_bytes())].concat()
}

fn bulk(bytes: &[u8]) -> Vec<u8> {
    [format!("${}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

fn read_command(reader: &mut impl BufRead) -> io::Result<Vec<Vec<u8>>> {
    let parts = read_length(reader)?;
    (0..parts)
        .map(|_| {
            let mut bytes = vec![0; read_length(reader)? + 2];
            reader.read_exact(&mut bytes)?;
            bytes.truncate(bytes.len() - 2);
            Ok(bytes)
        })
        .collect()
}

fn read_length(reader: &mut impl BufRead) -> io::Result<usize> {
    let mut line = String::new();
    reader.take(64).read_line(&mut line)?;
    line.get(1..).and_then(|text| text.trim_end().parse().ok()).ok_or(io::ErrorKind::InvalidData.into())
}

/// CPU of this thread: the first number is nanoseconds on a CPU.
fn cpu() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells it");
    let nanos = text.split_whitespace().next().and_then(|text| text.parse().ok());
    Duration::from_nanos(nanos.expect("a number comes first"))
}

/// Resident bytes of this process.
fn resident() -> u64 {
    const PAGE: u64 = 4096;
    let text = fs::read_to_string("/proc/self/statm").expect("Linux tells it");
    let pages: Option<u64> = text.split_whitespace().nth(1).and_then(|text| text.parse().ok());
    pages.expect("a number comes second") * PAGE
}
