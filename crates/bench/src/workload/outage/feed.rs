//! The publisher of an outage: a thread that publishes to channels with history, by the function that backends
//! call, before Redis goes away and as soon as it answers again.

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::audit::Numbered;
use crate::payload;
use crate::redis::{self, Redis, Reply};

/// Publications of one pipeline.
const BATCH: u32 = 8;
/// Between two attempts to reach Redis.
const PAUSE: Duration = Duration::from_millis(2);
/// The least that carries a number.
const PAYLOAD_BYTES: usize = 64;

/// What was published so far.
pub(super) struct Published {
    /// The last number of each channel.
    pub(super) last: Vec<u32>,
    pub(super) unacknowledged: HashSet<Numbered>,
    pub(super) acknowledged: u64,
}

/// Where and how often.
#[derive(Clone)]
pub(super) struct Outlet {
    pub(super) redis: SocketAddr,
    /// What precedes a channel's name.
    pub(super) prefix: String,
    /// How many channels have a history: those with the lowest numbers.
    pub(super) kept: usize,
    /// Names by number.
    pub(super) names: Arc<Vec<String>>,
}

/// The running thread.
pub(super) struct Feed {
    ends: Arc<AtomicBool>,
    thread: JoinHandle<Published>,
}

impl Feed {
    /// Publishes so many a second, to the channels with history in turn.
    pub(super) fn start(outlet: Outlet, mut published: Published, per_second: u32) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let ends = Arc::clone(&ends);
            move || {
                let mut next = 0;
                while !ends.load(Ordering::Acquire) {
                    // An error is Redis going away, which is what happens here.
                    drop(outlet.publish_steadily(&mut published, &mut next, per_second, &ends));
                    std::thread::sleep(PAUSE);
                }
                published
            }
        });
        Self { ends, thread }
    }

    /// Ends it, and says what was published.
    pub(super) fn end(self) -> Published {
        self.ends.store(true, Ordering::Release);
        self.thread.join().expect("the publisher does not panic")
    }
}

impl Outlet {
    /// One publication to each of these channels; Redis must be there.
    pub(super) fn publish_to_each(
        &self,
        channels: std::ops::Range<usize>,
        published: &mut Published,
    ) -> io::Result<()> {
        let mut redis = Redis::open(self.redis)?;
        let channels: Vec<usize> = channels.collect();
        channels.chunks(64).try_for_each(|batch| self.publish(&mut redis, batch, published))
    }

    fn publish_steadily(
        &self,
        published: &mut Published,
        next: &mut usize,
        per_second: u32,
        ends: &AtomicBool,
    ) -> io::Result<()> {
        let mut redis = Redis::open(self.redis)?;
        if redis.ask(&[b"PING"])? != Reply::Text("PONG".to_owned()) {
            return Ok(());
        }
        let mut due = Instant::now();
        while !ends.load(Ordering::Acquire) {
            let batch: Vec<usize> = (0..BATCH as usize).map(|nth| (*next + nth) % self.kept).collect();
            *next = (*next + batch.len()) % self.kept;
            self.publish(&mut redis, &batch, published)?;
            due = Instant::now().max(due + Duration::from_secs(1) * BATCH / per_second);
            std::thread::sleep(due - Instant::now());
        }
        Ok(())
    }

    /// What has no answer, or an error for one, is not acknowledged.
    fn publish(&self, redis: &mut Redis, batch: &[usize], published: &mut Published) -> io::Result<()> {
        let mut commands = Vec::new();
        let mut numbered = Vec::new();
        for channel in batch {
            published.last[*channel] += 1;
            let number = published.last[*channel];
            numbered.push((*channel, number));
            commands.extend(self.command(*channel, number));
        }
        published.unacknowledged.extend(&numbered);
        redis.send(&commands)?;
        for publication in numbered {
            match redis.reply()? {
                Reply::Number(_) | Reply::List(_) => {
                    published.unacknowledged.remove(&publication);
                    published.acknowledged += 1;
                }
                Reply::Error(_) | Reply::Text(_) => {}
            }
        }
        Ok(())
    }

    fn command(&self, channel: usize, number: u32) -> Vec<u8> {
        let key = format!("{}:ch:{}", self.prefix, self.names[channel]);
        let payload = payload::of_size(PAYLOAD_BYTES, payload::numbered(channel, number));
        if channel < self.kept {
            redis::command(&[b"FCALL", b"fanfare_publish", b"1", key.as_bytes(), payload.as_bytes()])
        } else {
            redis::command(&[b"PUBLISH", key.as_bytes(), payload.as_bytes()])
        }
    }
}
