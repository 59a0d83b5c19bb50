// What scenarios have in common: how a run begins, its subscribers, its publishers, and what it is held to.

import { sleep } from 'k6'
import exec from 'k6/execution'

import { Account, report } from './account.js'
import { beginAt, call, callUntilAccepted } from './api.js'
import { Client } from './client.js'
import * as metrics from './metrics.js'
import { count, nodes, positive, share, text } from './settings.js'

const CHANNELS_PER_LIST = 5000
const COMMANDS_PER_BATCH = 1000
const END_ROUNDS = 30
const REPORT_MS = 1000
const SETTLE_MS = 500
const START_SECONDS_MAX = 120
const YOUTH_MS = 3000
const OVERTIME = 2

const perVu = count('CONNECTIONS_PER_VU', 50)
const sample = count('SAMPLE', 1)
const slo = {
  deliveryMs: positive('SLO_DELIVERY_P99_MS', 500),
  connectMs: positive('SLO_CONNECT_P99_MS', 2000),
  connectFailed: share('SLO_CONNECT_FAILED', 0.01)
}

/** What every run with accounts is held to. */
export const accounted = {
  fanfare_lost: ['count==0'],
  fanfare_doubled: ['count==0'],
  fanfare_out_of_order: ['count==0'],
  fanfare_unfinished: ['count==0'],
  fanfare_unrecovered: ['count==0'],
  fanfare_publish_failed: ['count==0'],
  fanfare_delivered: ['count>0'],
  fanfare_delivery_ms: [`p(99)<${slo.deliveryMs}`]
}

/** What every run is held to in which connecting should succeed. */
export const connecting = {
  fanfare_connect_ms: [`p(99)<${slo.connectMs}`],
  fanfare_connect_failed: [`rate<=${slo.connectFailed}`]
}

/** The options of a scenario with subscribers and publishers, in k6's words. */
export function optionsOf({ connections, publishers = 1, channels, ramp, duration, others = {}, thresholds }) {
  const maxDuration = `${Math.ceil(ramp + START_SECONDS_MAX + duration * OVERTIME + 60)}s`
  const once = (exec, vus) => ({ executor: 'per-vu-iterations', vus, iterations: 1, maxDuration, exec })
  const scenarios = { ...others }
  if (connections > 0) scenarios.subscribers = once('subscribers', vusOf(connections))
  if (publishers > 0) scenarios.publishers = once('publishers', publishers)
  const parts = vusOf(connections) + (publishers > 0 ? Math.min(publishers, channels) : channels)
  return {
    scenarios,
    thresholds: { ...thresholds, fanfare_concluded: [`count==${parts}`] },
    setupTimeout: '30s',
    summaryTrendStats: ['min', 'med', 'avg', 'p(90)', 'p(95)', 'p(99)', 'p(99.9)', 'max', 'count']
  }
}

/** Finds out whether the nodes are there, and gives the run a name that no other has. */
export function begin() {
  const name = `${Date.now().toString(36)}${Math.floor(Math.random() * 1e6).toString(36)}`
  for (const nth of nodes.apis.keys()) {
    beginAt(nth)
    const { failure } = call('channels', { pattern: `${name}*` })
    if (failure) exec.test.abort(`the server API does not answer: ${failure}; see FANFARE_PUBLISH_URL and FANFARE_API_KEY`)
  }
  return { name, began: Date.now() }
}

/** The channel with a number. Its name tells which list it is counted in. */
export function channelOf(run, namespace, nth) {
  return `${prefixOf(run, namespace, Math.floor(nth / CHANNELS_PER_LIST))}${nth}`
}

const prefixOf = (run, namespace, list) => `${namespace ? `${namespace}:` : ''}${run.name}-${list}-`

/** The namespace whose rules the run is about. */
export const namespaceOf = fallback => text('NAMESPACE', fallback)

/**
 * The subscribers of this VU, until each was told how many publications there were. A connection is subscribed to
 * `each` channels from its own on, so that all channels have about as many; with `lifetime`, in seconds, it is cut and
 * comes back about as often.
 */
export function subscribe(run, { namespace, channels, each = 1, connections, ramp, duration, lifetime = 0 }) {
  const channelsOf = nth => Array.from({ length: each }, (_, more) => channelOf(run, namespace, (nth + more) % channels))
  const vus = vusOf(connections)
  const subscribers = []
  for (let nth = exec.scenario.iterationInTest; nth < connections; nth += vus) {
    subscribers.push(new Subscriber(run, nth, channelsOf(nth), onFinished))
  }
  const timers = subscribers.map(({ client, nth }) => setTimeout(() => client.open(), ramp * 1000 * nth / connections))
  const ticks = [setInterval(() => subscribers.forEach(each => each.review()), REPORT_MS), setInterval(report, REPORT_MS)]
  if (lifetime > 0) ticks.push(setInterval(() => subscribers.forEach(each => each.age(lifetime)), REPORT_MS))
  const late = setTimeout(end, (ramp + START_SECONDS_MAX + duration * OVERTIME + 30) * 1000)
  let finished = 0

  function onFinished() {
    finished++
    if (finished === subscribers.length) setTimeout(end, SETTLE_MS)
  }

  function end() {
    ;[...timers, late].forEach(clearTimeout)
    ticks.forEach(clearInterval)
    subscribers.forEach(each => each.close())
    report()
    metrics.concluded.add(1)
  }
}

/** A client and its accounts. */
class Subscriber {
  #run
  #accountByChannel
  #open
  #onFinished
  #taken = 0
  #began

  constructor(run, nth, channels, onFinished) {
    this.nth = nth
    this.#run = run
    this.#accountByChannel = new Map(channels.map(channel => [channel, new Account()]))
    this.#open = channels.length
    this.#onFinished = onFinished
    this.client = new Client(`${run.name}-${nth}`, nth, channels, this)
  }

  onPublication(channel, { data }, isRecovered) {
    const account = this.#accountByChannel.get(channel)
    if (data.run !== this.#run.name) return
    if (data.end !== undefined) {
      if (account.isFinished) return
      account.finish(data.end)
      if (--this.#open === 0) this.#onFinished()
      return
    }
    this.#began ??= Date.now()
    account.take(data.sequence, isRecovered)
    if (this.#taken++ % sample === 0 && !isRecovered) metrics.deliveryMs.add(Date.now() - data.sent)
    if (data.cut && !isRecovered) this.client.cut()
  }

  /** Comes back as often as keeps the mean life of a connection at `lifetime`; not while publishers still count. */
  age(lifetime) {
    const isSettled = Date.now() > this.#began + YOUTH_MS
    if (isSettled && Math.random() < REPORT_MS / 1000 / lifetime) this.client.cut()
  }

  review() {
    const now = Date.now()
    for (const account of this.#accountByChannel.values()) account.review(now)
  }

  close() {
    this.client.close()
    for (const account of this.#accountByChannel.values()) account.close()
  }
}

/**
 * Publishes from this VU to its share of the channels, from when all subscribers are there, at a steady rate, and says
 * at the end how many publications there were. With `isOnce`, what is not answered is tried again, with a key. At the
 * `cuts`, in seconds, subscribers are asked to come back anew.
 */
export function publish(run, { namespace, channels, subscriptions, rate, duration, payload, publishers = 1, isOnce = false, cuts = [] }) {
  const first = exec.scenario.iterationInTest
  beginAt(first)
  const mine = []
  for (let nth = first; nth < channels; nth += publishers) mine.push({ name: channelOf(run, namespace, nth), sequence: 0 })
  if (mine.length === 0) return
  awaitSubscribers(run, namespace, channels, subscriptions)
  const padding = 'x'.repeat(Math.max(0, payload - 80))
  const began = Date.now()
  const total = Math.max(mine.length, Math.round(rate / publishers * duration))
  const left = [...cuts]
  let cutsOwed = 0
  for (let nth = 0; nth < total; nth++) {
    const due = began + nth * 1000 * publishers / rate
    if (Date.now() < due) sleep((due - Date.now()) / 1000)
    const now = Date.now()
    if (now - began > duration * OVERTIME * 1000) {
      metrics.publishFailed.add(total - nth)
      console.warn(`this publisher came to ${nth} of ${total} publications: lower RATE, or raise PUBLISHERS`)
      break
    }
    metrics.publishLateMs.add(Math.max(0, now - due))
    if (now - began >= left[0] * 1000) {
      left.shift()
      cutsOwed = mine.length
    }
    send(run, mine[nth % mine.length], { padding, isOnce, isCut: cutsOwed-- > 0 })
  }
  conclude(run, mine, () => subscriptionsOf(run, namespace, channels).counted === 0)
}

/** Waits until the nodes count as many subscriptions as there should be: what is published then must reach all. */
function awaitSubscribers(run, namespace, channels, subscriptions) {
  let found
  for (const end = Date.now() + START_SECONDS_MAX * 1000; Date.now() < end; sleep(0.3)) {
    found = subscriptionsOf(run, namespace, channels)
    if (found.counted >= subscriptions) return
  }
  const what = found.failure ?? `${found.counted} of ${subscriptions} subscriptions`
  exec.test.abort(`after ${START_SECONDS_MAX} s the nodes count their subscriptions like this: ${what}`)
}

/** How many the nodes count, or why they do not say. */
function subscriptionsOf(run, namespace, channels) {
  let counted = 0
  for (let list = 0; list * CHANNELS_PER_LIST < channels; list++) {
    const { result, failure } = call('channels', { pattern: `${prefixOf(run, namespace, list)}*` })
    if (failure) return { failure }
    for (const { num_clients: clients } of Object.values(result.channels)) counted += clients
  }
  return { counted }
}

function send(run, channel, { padding, isOnce, isCut }) {
  channel.sequence++
  const data = { run: run.name, sequence: channel.sequence, sent: Date.now(), padding }
  if (isCut) data.cut = true
  const request = { channel: channel.name, data }
  if (isOnce) request.idempotency_key = `${run.name}-${channel.sequence}`
  const { failure } = isOnce ? callUntilAccepted('publish', request) : call('publish', request)
  if (!failure) {
    metrics.published.add(1)
    return
  }
  metrics.publishFailed.add(1)
  console.warn(`a publish failed: ${failure}`)
}

/** Says it until everybody left: who is away just then, on a channel without history, hears it later. */
function conclude(run, channels, isOver) {
  for (let round = 0; round < END_ROUNDS && !(round > 0 && isOver()); round++) {
    for (let first = 0; first < channels.length; first += COMMANDS_PER_BATCH) {
      const commands = channels.slice(first, first + COMMANDS_PER_BATCH).map(({ name, sequence }) => (
        { publish: { channel: name, data: { run: run.name, end: sequence } } }
      ))
      const { failure } = callUntilAccepted('batch', { commands })
      if (failure) console.warn(`the end is not told: ${failure}`)
    }
    sleep(1)
  }
  metrics.concluded.add(1)
}

const vusOf = connections => Math.ceil(connections / perVu)
