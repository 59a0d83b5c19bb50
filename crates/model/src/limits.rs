//! Every bound that is not a setting. A bound that operators choose lives in its component's `Config`.

use std::time::Duration;

/// Longest channel name.
pub const CHANNEL_NAME_BYTES_MAX: usize = 255;
/// Longest text of a close reason: what a WebSocket close frame can carry.
pub const CLOSE_TEXT_BYTES_MAX: usize = 123;
/// Channels one connection may be subscribed to, server-side ones included.
pub const CHANNELS_PER_CONNECTION_MAX: usize = 128;
/// Channels of one API broadcast, commands of one API batch.
pub const API_BATCH_MAX: usize = 10_000;
/// Channel names in one answer to the API's `channels`.
pub const CHANNELS_LISTED_MAX: usize = 10_000;
/// Latest time a subscribe is answered.
pub const SUBSCRIBE_DEADLINE: Duration = Duration::from_secs(3);
/// Latest time a publish is answered.
pub const PUBLISH_DEADLINE: Duration = Duration::from_secs(2);
/// Latest time all workers have answered a question from the control thread.
pub const GATHER_DEADLINE: Duration = Duration::from_secs(2);
/// How long after a token's end a connection may still be refreshed.
pub const EXPIRED_CLOSE_DELAY: Duration = Duration::from_secs(25);
/// How long after a subscription token's end it may still be refreshed.
pub const EXPIRED_SUBSCRIPTION_DELAY: Duration = Duration::from_secs(25);
/// Longest time to expiry that a client is told.
pub const TTL_MAX: Duration = Duration::from_secs(365 * 86_400);
/// A connection without a successful connect command is closed after this time.
pub const STALE_CLOSE_DELAY: Duration = Duration::from_secs(10);
/// A message must be whole this long after its first byte.
pub const MESSAGE_DEADLINE: Duration = Duration::from_secs(10);
/// A close frame must be taken by the kernel within this time, else the connection is reset.
pub const CLOSE_FRAME_DEADLINE: Duration = Duration::from_secs(1);
/// A closed connection's peer may take this long to close its side.
pub const LINGER_DEADLINE: Duration = Duration::from_secs(5);
/// Closed connections of one worker whose peer has not closed yet; at the bound the next is reset.
pub const LINGERING_PER_WORKER_MAX: usize = 4096;
/// Fragments of one WebSocket message.
pub const FRAGMENTS_PER_MESSAGE_MAX: usize = 1024;
/// What an inbound message may hold beyond one publication: the command around it and others beside it.
pub const MESSAGE_OVERHEAD_BYTES: usize = 16 * 1024;
/// Frames that one vectored write takes along.
pub const FRAMES_PER_WRITE_MAX: usize = 64;
/// Connections written to before the mailbox and the runtime get their turn.
pub const FLUSH_SLICE: usize = 64;
/// Publications waiting for one worker; beyond it the worker is behind.
pub const WORKER_MAILBOX_ENTRIES_MAX: usize = 65_536;
/// Bytes of publications waiting for one worker.
pub const WORKER_MAILBOX_BYTES_MAX: usize = 64 << 20;
/// Requests waiting for the broker thread.
pub const NODE_MAILBOX_ENTRIES_MAX: usize = 65_536;
/// Bytes of publications waiting for the broker thread.
pub const NODE_MAILBOX_BYTES_MAX: usize = 64 << 20;
/// A thread that has not ticked for this long is not alive.
pub const THREAD_SILENCE_MAX: Duration = Duration::from_secs(10);
/// Request heads: header lines, and bytes of the whole head.
pub const HTTP_HEADERS_MAX: usize = 64;
/// Bytes of a request head.
pub const HTTP_HEAD_BYTES_MAX: usize = 16 * 1024;
/// A request head must be whole within this time.
pub const HTTP_HEAD_DEADLINE: Duration = Duration::from_secs(10);
/// Pending connections of a listening socket, as far as `net.core.somaxconn` allows.
pub const LISTEN_BACKLOG: i32 = 4096;
/// Unsent bytes that the kernel holds for one connection before it reports the socket full.
pub const UNSENT_BYTES_MAX: u32 = 64 * 1024;
/// How long unacknowledged bytes may wait before the kernel gives a connection up.
pub const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(30);
/// Commands refused because of their rate, less those granted since, before the connection is closed.
pub const COMMAND_OVERRUNS_MAX: u16 = 200;
/// Requests a worker holds back while the broker thread's mailbox is full; beyond it subscribes are refused.
pub const UNSENT_REQUESTS_MAX: usize = 65_536;
/// Deliveries that one turn of a worker appends before it flushes.
pub const DELIVERIES_PER_TURN_MAX: usize = 16_384;
/// Handshakes under way on one worker; beyond it a fresh socket is dropped.
pub const HANDSHAKES_PER_WORKER_MAX: usize = 4096;
/// Connections to the internal listener; the next wait to be accepted.
pub const INTERNAL_CONNECTIONS_MAX: usize = 4096;
/// How long a connection to the internal listener may be idle.
pub const INTERNAL_IDLE_MAX: Duration = Duration::from_secs(75);
/// Bytes buffered for one request to the internal listener.
pub const INTERNAL_BUFFER_BYTES_MAX: usize = 64 * 1024;
/// API requests under way; beyond it they are refused with HTTP status 503.
pub const API_REQUESTS_MAX: usize = 4096;
/// What an API request may hold beyond one publication: names, JSON around it.
pub const API_OVERHEAD_BYTES: usize = 64 * 1024;
/// What an API request with many channels or calls may hold beyond that.
pub const API_BULK_BYTES: usize = 16 << 20;
/// The body of an API request must be whole within this time.
pub const API_BODY_DEADLINE: Duration = Duration::from_secs(10);
/// Commands of a batch that were not begun within this time are refused.
pub const API_BATCH_DEADLINE: Duration = Duration::from_secs(30);
/// How long the outcome of a publication with an idempotency key is remembered.
pub const IDEMPOTENCY_PERIOD: Duration = Duration::from_secs(300);
/// Publications with an idempotency key that are remembered; the oldest makes room.
pub const IDEMPOTENCY_KEYS_MAX: usize = 262_144;
/// Sockets beyond the connection limit that are read at once in order to be refused; the next are dropped.
pub const REFUSALS_AT_ONCE_MAX: u32 = 128;
