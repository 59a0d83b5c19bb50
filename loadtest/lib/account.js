// What one subscriber got of one channel, held against the numbers that its publisher gave.

import * as metrics from './metrics.js'

const GAP_MS_MAX = 10_000
const GAPS_MAX = 10_000

/** What the accounts of this VU found since it was last told to k6, which has its price. */
const tally = { delivered: 0, recovered: 0, lost: 0, doubled: 0, outOfOrder: 0, unfinished: 0 }

export class Account {
  #next = 1
  #end
  #noticedByGap = new Map()

  /** Takes a publication of the channel's one publisher. */
  take(sequence, isRecovered) {
    tally.delivered++
    if (isRecovered) tally.recovered++
    if (sequence >= this.#next) {
      this.#miss(sequence)
      this.#next = sequence + 1
    } else if (this.#noticedByGap.delete(sequence)) {
      tally.outOfOrder++
    } else {
      tally.doubled++
    }
  }

  /** Takes the word that this many were published. */
  finish(end) {
    this.#end = end
  }

  get isFinished() {
    return this.#end !== undefined
  }

  /** Counts as lost what is missing for long; if it comes later still, it counts as doubled, too. */
  review(now) {
    for (const [sequence, noticed] of this.#noticedByGap) {
      if (now - noticed < GAP_MS_MAX) break
      this.#noticedByGap.delete(sequence)
      tally.lost++
    }
  }

  /** Counts as lost all that is missing. */
  close() {
    if (this.isFinished) this.#miss(this.#end + 1)
    else tally.unfinished++
    this.review(Infinity)
  }

  #miss(until) {
    for (; this.#next < until; this.#next++) {
      if (this.#noticedByGap.size < GAPS_MAX) this.#noticedByGap.set(this.#next, Date.now())
      else tally.lost++
    }
  }
}

/** Tells k6 what the accounts of this VU found. */
export function report() {
  for (const [name, count] of Object.entries(tally)) {
    metrics[name].add(count)
    tally[name] = 0
  }
}
