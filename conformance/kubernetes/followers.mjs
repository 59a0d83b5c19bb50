// Clients in the cluster: the SDK from npm, unmodified, many times over, each following one channel, and a backend that
// publishes to these channels. It keeps the account: what was published, and what of it each client did not get exactly
// once and in order. `/status` tells it; `/stop` ends publishing. Runs with nothing but Node, the SDK's one file and the
// fixture's for tokens.

import { createServer } from 'node:http'

import './centrifuge.mjs'
import { inSeconds, sign } from './token.mjs'

const { Centrifuge } = globalThis
const { URL_OF_CLIENTS, URL_OF_API, API_KEY, SECRET } = process.env
const CLIENTS = Number(process.env.CLIENTS)
const CHANNELS = Number(process.env.CHANNELS)
const RATE = Number(process.env.RATE)
/** Clients that connect at once while all of them begin. */
const BEGINNING_MAX = 100
/** A publication that is not taken on is tried again for so long, with the same key: it is taken on once. */
const PUBLISH_MS_MAX = 60_000

const account = {
  connected: 0, subscribed: 0, published: 0, expected: 0, received: 0, lost: 0, doubled: 0, lapsed: 0,
  /** By close code, as the SDK tells it. */
  disconnects: {},
  /** Most clients that came back within one second. */
  reconnectsPerSecond: 0,
  publishRetries: 0
}
let begun = false, stopped = false
let second = 0, inSecond = 0

function cameBack() {
  const now = Math.floor(Date.now() / 1000)
  if (now !== second) [second, inSecond] = [now, 0]
  account.reconnectsPerSecond = Math.max(account.reconnectsPerSecond, ++inSecond)
}

const channel = nth => `kept:${nth % CHANNELS}`

/** Starts a client; resolves when it is subscribed. */
function follow(nth) {
  const client = new Centrifuge(URL_OF_CLIENTS, { token: sign({ sub: `follower-${nth}`, exp: inSeconds(3600) }, SECRET) })
  let last = 0
  client.on('connected', () => {
    account.connected += 1
    if (begun) cameBack()
  })
  client.on('connecting', ({ code }) => {
    if (code === 0) return
    account.connected -= 1
    account.disconnects[code] = (account.disconnects[code] ?? 0) + 1
  })
  client.on('disconnected', ({ code, reason }) => {
    account.connected -= 1
    account.disconnects[`${code} for good: ${reason}`] = (account.disconnects[`${code} for good: ${reason}`] ?? 0) + 1
  })
  const subscription = client.newSubscription(channel(nth))
  subscription.on('publication', ({ data: { n } }) => {
    if (n <= last) return void (account.doubled += 1)
    account.lost += n - last - 1
    account.received += 1
    last = n
  })
  return new Promise(resolve => {
    subscription.on('subscribed', ({ wasRecovering, recovered }) => {
      account.subscribed += 1
      if (wasRecovering && !recovered) account.lapsed += 1
      resolve()
    })
    subscription.on('subscribing', () => { if (begun) account.subscribed -= 1 })
    subscription.subscribe()
    client.connect()
  })
}

async function publish(nth, n) {
  const body = JSON.stringify({ channel: channel(nth), data: { n }, idempotency_key: `${nth}-${n}` })
  const headers = { 'content-type': 'application/json', 'x-api-key': API_KEY }
  for (const end = Date.now() + PUBLISH_MS_MAX; ;) {
    try {
      const answer = await fetch(`${URL_OF_API}/publish`, { method: 'POST', headers, body, signal: AbortSignal.timeout(5000) })
      const { result } = await answer.json()
      if (result) return
    } catch {}
    if (Date.now() > end) throw new Error('a publication was not taken on')
    account.publishRetries += 1
    await sleep(200)
  }
}

const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))

/** Publishes to one channel after the other; the next to a channel when the one before was taken on. */
async function publishAll() {
  const followers = nth => Math.floor((CLIENTS - 1 - nth) / CHANNELS) + 1
  const lanes = Array.from({ length: CHANNELS }, () => ({ n: 0, busy: false }))
  for (let turn = 0, next = Date.now(); !stopped; turn += 1) {
    const nth = turn % CHANNELS
    const lane = lanes[nth]
    if (!lane.busy) {
      lane.busy = true
      lane.n += 1
      publish(nth, lane.n).then(() => {
        account.published += 1
        account.expected += followers(nth)
        lane.busy = false
      })
    }
    next += 1000 / RATE
    await sleep(Math.max(0, next - Date.now()))
  }
  while (lanes.some(lane => lane.busy)) await sleep(50)
}

createServer((request, response) => {
  if (request.url === '/stop') stopped = true
  if (request.url === '/reset') account.reconnectsPerSecond = 0
  response.end(JSON.stringify({ ...account, begun, stopped }))
}).listen(8080)

for (let nth = 0; nth < CLIENTS; nth += BEGINNING_MAX) {
  const some = Math.min(BEGINNING_MAX, CLIENTS - nth)
  await Promise.all(Array.from({ length: some }, (_, more) => follow(nth + more)))
}
begun = true
await publishAll()
