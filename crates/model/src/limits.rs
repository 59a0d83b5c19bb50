//! Every bound that is not a setting. A bound that operators choose lives in its component's `Config`.

use std::time::Duration;

/// Longest channel name.
pub const CHANNEL_NAME_BYTES_MAX: usize = 255;
/// Longest text of a close reason: what a WebSocket close frame can carry.
pub const CLOSE_TEXT_BYTES_MAX: usize = 123;
/// Time between two looks at the files that settings come from; a change is taken on when two looks agree on it.
pub const SETTINGS_LOOK_PERIOD: Duration = Duration::from_secs(1);
/// Names of settings in one line of the log, and faults told of one set of settings; the others are counted.
pub const SETTINGS_TOLD_MAX: usize = 32;
/// Ticks within which the timers of all connections know of a changed age.
pub const AGE_ADOPTED_TICKS: u32 = 20;
/// Time until files of settings that do not let themselves be read are told of; nothing is read meanwhile.
pub const SETTINGS_READ_DEADLINE: Duration = Duration::from_secs(10);
/// Namespaces that a process knows, those included that were removed while it ran.
pub const NAMESPACES_KNOWN_MAX: usize = 10_000;
/// Channels one connection may be subscribed to, server-side ones included.
pub const CHANNELS_PER_CONNECTION_MAX: usize = 128;
/// Channels of one API broadcast, commands of one API batch.
pub const API_BATCH_MAX: usize = 10_000;
/// Channel names in one answer to the API's `channels`.
pub const CHANNELS_LISTED_MAX: usize = 10_000;
/// Connections in one answer to the API's `connections`.
pub const CONNECTIONS_LISTED_MAX: usize = 1000;
/// Bytes of JSON that connections may take in such an answer; the last of them may need more than were left.
pub const CONNECTIONS_LISTED_BYTES_MAX: usize = 1 << 20;
/// Longest name of a user in such an answer; of a longer one the answer has the begin.
pub const USER_LISTED_BYTES_MAX: usize = 4096;
/// Entries of its tables that a worker looks at for such an answer before it goes on with its other work.
pub const CONNECTIONS_LOOKED_AT_MAX: usize = 4096;
/// Publications in one answer about a channel's history, and of one recovery.
pub const HISTORY_PUBLICATIONS_MAX: u32 = 300;
/// Publications of one channel that are held back while what precedes them is read; beyond it they are read
/// with it.
pub const HELD_PUBLICATIONS_MAX: usize = 1024;
/// Bytes of publications that are held back so, over all channels of a node.
pub const HELD_BYTES_MAX: usize = 64 << 20;
/// How long a channel is held back while its history cannot be read, before its subscribers are told.
pub const REPAIR_DEADLINE: Duration = Duration::from_secs(10);
/// Pause before a history that could not be read is read again.
pub const REPAIR_PAUSE: Duration = Duration::from_millis(200);
/// Bytes of missing publications that a channel hands on at once; the rest follows a tick later.
pub const REPAIR_BYTES_AT_ONCE: usize = 256 << 10;
/// Each channel's position is compared with its history's once in this time.
pub const POSITION_CHECK_PERIOD: Duration = Duration::from_secs(40);
/// Subscribers waiting for what they missed of one channel; beyond it they are refused.
pub const RECOVERIES_PER_CHANNEL_MAX: usize = 65_536;
/// Directives from node to node that are kept for those that were cut off; the oldest make room.
pub const DIRECTIVES_KEPT_MAX: u32 = 10_000;
/// How long they are kept after the last one; a node that was cut off for longer misses them.
pub const DIRECTIVE_TTL: Duration = Duration::from_secs(300);
/// Directives of other nodes that wait to be carried out; beyond it they are lost, and counted.
pub const DIRECTIVES_WAITING_MAX: usize = 16_384;
/// Bytes of them.
pub const DIRECTIVES_WAITING_BYTES_MAX: usize = 16 << 20;
/// How often a node says that it is there, and looks who else is.
pub const NODE_ANNOUNCE_PERIOD: Duration = Duration::from_secs(3);
/// A node that has not said so for this long is forgotten.
pub const NODE_TTL: Duration = Duration::from_secs(10);
/// Nodes that know each other; beyond it each knows itself alone.
pub const NODES_MAX: u32 = 1000;
/// Longest text that a node says of itself.
pub const NODE_TEXT_BYTES_MAX: usize = 255;
/// Looks at all nodes, one after the other, each of which must read a newer version of what nodes write for each
/// other before a node writes it.
pub const NODE_LOOKS_MIN: u32 = 4;
/// Largest payload by which a node tells others something, and the largest that it takes from them.
pub const NODE_PAYLOAD_BYTES_MAX: usize = 8 << 20;
/// Bytes of one part of what a node answers another; a page of connections may have one connection more.
pub const NODE_LETTER_BYTES_MAX: usize = 64 * 1024;
/// Questions that a node asks all others at once, and that it answers at once.
pub const NODE_QUESTIONS_MAX: usize = 16;
/// Questions and answers of other nodes that wait to be read.
pub const NODE_LETTERS_WAITING_MAX: usize = 4096;
/// Bytes of them.
pub const NODE_LETTERS_WAITING_BYTES_MAX: usize = 32 << 20;
/// Longest pattern for the API's `channels`.
pub const PATTERN_BYTES_MAX: usize = 1024;
/// Users whom a node counts exactly for the others; of more, each counts once for each worker that serves it.
pub const NODE_USERS_COUNTED_MAX: u64 = 10_000;
/// How long a member of a channel is remembered that nobody vouches for.
pub const PRESENCE_TTL: Duration = Duration::from_secs(60);
/// How often a node vouches for its members.
pub const PRESENCE_REFRESH_PERIOD: Duration = Duration::from_secs(27);
/// Calls to the presence under way at once.
pub const PRESENCE_CALLS_MAX: usize = 256;
/// Members of whom the presence is yet to be told something.
pub const PRESENCE_WAITING_MAX: usize = 262_144;
/// Bytes of what they show of themselves.
pub const PRESENCE_WAITING_BYTES_MAX: usize = 64 << 20;
/// First pause before the presence is told again what it refused; each further one is twice as long, up to 8 times.
pub const PRESENCE_PAUSE_MIN: Duration = Duration::from_secs(1);
/// How often it is told again; by then a member that went is forgotten anyway.
pub const PRESENCE_REPEATS_MAX: u32 = 10;
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
/// When the last client of a draining node has gone, those who come just then are told so within this time.
pub const LAST_CLIENTS_DEADLINE: Duration = Duration::from_secs(2);
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
/// Bytes of the header by which a proxy says where a client is, its extensions included.
pub const PROXY_HEADER_BYTES_MAX: usize = 536;
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
/// Bytes of an idempotency key.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;
/// Bytes of a publication's version epoch.
pub const VERSION_EPOCH_BYTES_MAX: usize = 255;
/// Bytes of publications that the answer to one API request takes out of histories.
pub const API_HISTORY_BYTES_MAX: usize = 64 << 20;
/// Sockets beyond the connection limit that are read at once in order to be refused; the next are dropped.
pub const REFUSALS_AT_ONCE_MAX: u32 = 128;
/// Channels whose history the embedded broker knows; the use of a further one is refused.
pub const MEMORY_CHANNELS_MAX: usize = 1_000_000;
/// Bytes of publications that the embedded broker keeps; a further one to be kept is refused.
pub const MEMORY_HISTORY_BYTES_MAX: usize = 256 << 20;
/// A connection to Redis must be open, encrypted and logged in within this time.
pub const REDIS_CONNECT_DEADLINE: Duration = Duration::from_secs(2);
/// First pause before a connection to Redis is tried again; each further one is twice as long.
pub const REDIS_PAUSE_MIN: Duration = Duration::from_millis(50);
/// Longest pause before a connection to Redis is tried again.
pub const REDIS_PAUSE_MAX: Duration = Duration::from_millis(500);
/// Quiet time on a connection to Redis after which a ping is sent.
pub const REDIS_PING_INTERVAL: Duration = Duration::from_secs(1);
/// A pub/sub connection that says nothing for this long after a ping is rebuilt.
pub const REDIS_SILENCE_MAX: Duration = Duration::from_secs(3);
/// Between two of the node's own probes through one primary.
pub const REDIS_PROBE_INTERVAL: Duration = Duration::from_secs(1);
/// Probes missed one after the other after which a pub/sub connection is rebuilt.
pub const REDIS_PROBES_MISSED_MAX: u32 = 3;
/// How often that number is doubled at most, once for each rebuild after which no probe came back.
pub const REDIS_PROBE_DOUBLINGS_MAX: u32 = 3;
/// A node whose probe is missing for this long after a rebuild, while its commands are answered, is not ready.
pub const REDIS_PROBE_MISSING_MAX: Duration = Duration::from_secs(10);
/// Numbers tried as the hash tag of a probe, until one is in a slot of the primary's.
pub const REDIS_PROBE_TAGS_MAX: u32 = 1 << 18;
/// Bytes read at once from a pub/sub connection; the rest waits in the kernel.
pub const REDIS_READ_BYTES: usize = 256 * 1024;
/// Longest name or payload that is taken from a pub/sub connection.
pub const REDIS_BULK_BYTES_MAX: usize = 32 << 20;
/// Channels of one subscribe command.
pub const REDIS_SUBSCRIBE_BATCH_MAX: usize = 512;
/// How long a channel that nobody wants any more stays subscribed.
pub const REDIS_LINGER: Duration = Duration::from_secs(5);
/// Channels that stay subscribed though nobody wants them; the oldest makes room.
pub const REDIS_LINGERING_MAX: usize = 65_536;
/// Commands of one pipeline.
pub const REDIS_PIPELINE_COMMANDS_MAX: usize = 4096;
/// Bytes of one pipeline, unless a single command has more.
pub const REDIS_PIPELINE_BYTES_MAX: usize = 4 << 20;
/// Pipelines that await their answers on one connection.
pub const REDIS_PIPELINES_MAX: usize = 16;
/// Commands that are not answered yet, over all connections.
pub const REDIS_COMMANDS_MAX: usize = 65_536;
/// Their bytes.
pub const REDIS_COMMANDS_BYTES_MAX: usize = 64 << 20;
/// Times that a command which Redis turned down without carrying it out is sent again.
pub const REDIS_REPEATS_MAX: u8 = 64;
/// Time between two looks at which primaries a cluster has, when nothing seems to have changed.
pub const REDIS_CLUSTER_LOOK: Duration = Duration::from_secs(30);
/// Time between two looks at which primary the Sentinels name.
pub const REDIS_SENTINEL_LOOK: Duration = Duration::from_secs(2);
/// Addresses that a Redis URL may name.
pub const REDIS_ADDRESSES_MAX: usize = 64;
/// Primaries of one Redis Cluster.
pub const REDIS_PRIMARIES_MAX: usize = 1000;
/// Bytes of a file with a password.
pub const REDIS_PASSWORD_BYTES_MAX: u64 = 64 * 1024;
/// Longest `tracestate` that is told on; a longer one is left out.
pub const TRACE_STATE_BYTES_MAX: usize = 512;
/// Finished spans that wait to be sent to the collector; beyond it they are dropped, and counted.
pub const SPANS_WAITING_MAX: usize = 8192;
/// Spans of one request to the collector.
pub const SPANS_PER_EXPORT_MAX: usize = 512;
/// How long a finished span waits for others to be sent with.
pub const SPAN_EXPORT_PERIOD: Duration = Duration::from_secs(1);
/// A request to the collector must be answered within this time.
pub const SPAN_EXPORT_DEADLINE: Duration = Duration::from_secs(5);
/// Times that a request which the collector did not take is sent again; then its spans have failed.
pub const SPAN_EXPORT_REPEATS_MAX: u32 = 3;
/// First pause before such a request is sent again; each further one is twice as long.
pub const SPAN_EXPORT_PAUSE_MIN: Duration = Duration::from_secs(1);
/// Bytes of what a collector answers.
pub const SPAN_ANSWER_BYTES_MAX: usize = 64 * 1024;
/// How long a node that ends goes on sending spans.
pub const SPAN_FLUSH_DEADLINE: Duration = Duration::from_secs(2);
