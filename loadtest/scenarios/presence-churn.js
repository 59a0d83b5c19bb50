// Members come and go. Who is present, and who heard of it, must agree with who is there.

import exec from 'k6/execution'

import { Client } from '../lib/client.js'
import { concluded, movements, presenceMs, presenceWrong } from '../lib/metrics.js'
import { begin, channelOf, connecting, namespaceOf, optionsOf } from '../lib/run.js'
import { summaryOf } from '../lib/report.js'
import { count, period, positive } from '../lib/settings.js'

const TICK_MS = 200
const QUESTION_MS = 1000
const AGREE_MS_MAX = 15_000

const namespace = namespaceOf('load_present')
const channels = count('CHANNELS', 10)
const members = count('MEMBERS', 20)
const lifetime = period('LIFETIME', '5s')
const duration = period('DURATION', '30s')
const thresholds = {
  ...connecting,
  fanfare_presence_wrong: ['count==0'],
  fanfare_presence_ms: [`p(99)<${positive('SLO_PRESENCE_P99_MS', 1000)}`],
  fanfare_movements: ['count>0'],
  fanfare_reconnects: ['count==0']
}
const others = {
  channels: {
    executor: 'per-vu-iterations', vus: channels, iterations: 1, maxDuration: `${Math.ceil(duration + 60)}s`, exec: 'churn'
  }
}

export const options = optionsOf({ connections: 0, publishers: 0, channels, ramp: 0, duration, others, thresholds })
export const setup = begin
export const handleSummary = summaryOf('presence-churn')

/** One channel: a watcher, who stays, and members, who do not. */
export function churn(run) {
  const channel = channelOf(run, namespace, exec.scenario.iterationInTest)
  const watcher = new Watcher(`${channel}-watcher`, channel)
  const seats = Array.from({ length: members }, () => new Seat(channel))
  const timers = [
    setInterval(() => seats.forEach(seat => seat.stir()), TICK_MS),
    setInterval(() => watcher.count(), QUESTION_MS)
  ]
  watcher.client.open()
  setTimeout(() => {
    timers.forEach(clearInterval)
    agree(watcher, seats, Date.now() + AGREE_MS_MAX)
  }, duration * 1000)
}

/** Asks until what is said is true, or it is too late, and ends. */
function agree(watcher, seats, end) {
  const isLate = Date.now() > end
  const again = () => setTimeout(() => agree(watcher, seats, end), TICK_MS)
  if (!isLate && seats.some(seat => seat.isComing)) {
    again()
    return
  }
  const there = sorted([watcher.user, ...seats.filter(seat => seat.isLive).map(seat => seat.user)])
  watcher.list(present => {
    const isTrue = present === there && watcher.heard === there
    if (!isTrue && !isLate) {
      again()
      return
    }
    if (!isTrue) {
      presenceWrong.add(1)
      console.warn(`there: ${there}; present: ${present}; heard: ${watcher.heard}`)
    }
    concluded.add(1)
    for (const { client } of [watcher, ...seats]) client?.close()
  })
}

/** A place that one member after the other takes. */
class Seat {
  #channel
  client
  isLive = false

  constructor(channel) {
    this.#channel = channel
  }

  get isComing() {
    return this.client !== undefined && !this.isLive
  }

  /** Sometimes somebody comes or goes. */
  stir() {
    if (Math.random() > TICK_MS / 1000 / lifetime || this.isComing) return
    if (this.client) {
      this.client.close()
      this.client = undefined
      this.isLive = false
    } else {
      this.user = `${exec.vu.idInTest}-${Math.random().toString(36).slice(2)}`
      this.client = new Client(this.user, Math.floor(Math.random() * 1e6), [this.#channel], this)
      this.client.open()
    }
  }

  onLive() {
    this.isLive = true
  }
}

/** Hears of joins and leaves, and asks who is present. */
class Watcher {
  #channel
  #users = new Set()
  #isLive = false

  constructor(user, channel) {
    this.user = user
    this.#channel = channel
    this.client = new Client(user, exec.vu.idInTest, [channel], this)
  }

  /** Who was heard to have come and not to have gone. */
  get heard() {
    return sorted(this.#users)
  }

  /** Who was there before was not heard of. */
  onLive() {
    this.#isLive = true
    this.#request('presence', ({ presence }) => Object.values(presence).forEach(({ user }) => this.#users.add(user)))
  }

  onMovement(channel, join, leave) {
    const { user } = (join ?? leave).info
    if (user !== this.user) movements.add(1)
    if (join) this.#users.add(user)
    else this.#users.delete(user)
  }

  count() {
    if (this.#isLive) this.#request('presence_stats', () => {})
  }

  list(onPresent) {
    this.#request('presence', ({ presence }) => onPresent(sorted(Object.values(presence).map(({ user }) => user))))
  }

  #request(what, onResult) {
    const began = Date.now()
    this.client.ask({ [what]: { channel: this.#channel } }, ({ error, [what]: result }) => {
      if (error) exec.test.abort(`${what} is refused with ${error.code} ${error.message}: see loadtest/README.md`)
      presenceMs.add(Date.now() - began)
      onResult(result)
    })
  }
}

const sorted = users => [...users].sort().join()
