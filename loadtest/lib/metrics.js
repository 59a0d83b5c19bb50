// What a run counts and measures, beside what k6 does by itself.

import { Counter, Rate, Trend } from 'k6/metrics'

/** Publications that reached a subscriber. */
export const delivered = new Counter('fanfare_delivered')
/** Publications that never reached a subscriber of theirs. */
export const lost = new Counter('fanfare_lost')
/** Publications that reached a subscriber again. */
export const doubled = new Counter('fanfare_doubled')
/** Publications that reached a subscriber after a later one. */
export const outOfOrder = new Counter('fanfare_out_of_order')
/** Publications that subscribers missed and got when they came back. */
export const recovered = new Counter('fanfare_recovered')
/** Times that a subscriber was told that what it missed is gone. */
export const unrecovered = new Counter('fanfare_unrecovered')
/** Subscriptions that the node ended by itself, to be made anew. */
export const lapsed = new Counter('fanfare_lapsed')
/** Subscribers that never heard how many publications there were. */
export const unfinished = new Counter('fanfare_unfinished')
/** Milliseconds from publishing to a subscriber; without what was recovered. */
export const deliveryMs = new Trend('fanfare_delivery_ms')

/** Publications that were accepted. */
export const published = new Counter('fanfare_published')
/** Publications that were not accepted in time. */
export const publishFailed = new Counter('fanfare_publish_failed')
/** Milliseconds that publications were behind the rate that is wanted. */
export const publishLateMs = new Trend('fanfare_publish_late_ms')

/** Of k6's users, those whose part of the run came to its end. One whose script fails does not. */
export const concluded = new Counter('fanfare_concluded')

/** Attempts to connect that failed, of all. */
export const connectFailed = new Rate('fanfare_connect_failed')
/** Milliseconds from opening a socket to the answer that the client is connected. */
export const connectMs = new Trend('fanfare_connect_ms')
/** Times that an established connection ended and was made anew. */
export const reconnects = new Counter('fanfare_reconnects')
/** Milliseconds from such an end until every subscription stands again. */
export const awayMs = new Trend('fanfare_away_ms')

/** Slow readers that were closed for it at least once. */
export const slowClosed = new Counter('fanfare_slow_closed')

/** Answers about who is present that were not true, even after a while. */
export const presenceWrong = new Counter('fanfare_presence_wrong')
/** Milliseconds that a question about who is present took. */
export const presenceMs = new Trend('fanfare_presence_ms')
/** Members that a watcher heard to come, and to go. */
export const movements = new Counter('fanfare_movements')
