// Connections: tokens, their refresh, and every way in which the server ends one.

import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'

import { UnauthorizedError } from 'centrifuge'
import WebSocket from 'ws'

import { eventually, inSeconds, startNode, token } from '../fixture/node.mjs'
import { client, closeClients, collect, connected, next, pause, subscribed } from './clients.mjs'

const RULES = { 'channels.client_subscribe': true, 'channels.client_publish': true }

let node
before(async () => { node = await startNode(RULES) })
afterEach(closeClients)
after(() => node?.stop())

test('connects with a token', async () => {
  const alice = client(node, 'alice')
  const event = next(alice, 'connected')
  alice.connect()
  const { client: id, transport } = await event
  assert.match(id, /^[0-9a-f-]{36}$/)
  assert.equal(transport, 'websocket')
})

test('disconnects on its own', async () => {
  const alice = await connected(node, 'alice')
  const event = next(alice, 'disconnected')
  alice.disconnect()
  assert.equal((await event).code, 0)
  await eventually(async () => await node.metric('fanfare_connections') === 0, 'the node has no connection')
})

test('fetches a fresh token before the first runs out, and stays connected', async () => {
  let fetched = 0
  const getToken = async () => token({ sub: 'alice', exp: inSeconds(++fetched === 1 ? 2 : 3600) })
  const alice = await connected(node, 'alice', { getToken })
  const gone = collect(alice, 'connecting')
  await eventually(() => fetched === 2, 'a second token')
  await pause(500)
  await (await subscribed(alice, 'news')).publish({ still: 'here' })
  assert.deepEqual(gone, [])
})

test('an expired token is answered with 109, and the SDK fetches another', async () => {
  let fetched = 0
  const getToken = async () => token({ sub: 'alice', exp: inSeconds(++fetched === 1 ? -60 : 3600) })
  const alice = await connected(node, 'alice', { getToken })
  assert.equal(fetched, 2)
  assert.equal(alice.state, 'connected')
})

test('an invalid token is the end: 3500', async () => {
  for (const bad of [token({ sub: 'alice' }, 'another secret of over 32 bytes'), 'nonsense']) {
    await assertEnds(client(node, 'alice', { token: bad }), 3500, 'invalid token')
  }
})

test('a subscription token does not connect: 3500', async () => {
  const wrongKind = token({ sub: 'alice', channel: 'news' })
  await assertEnds(client(node, 'alice', { token: wrongKind }), 3500, 'invalid token')
})

test('no token is the end: 3501', async () => {
  await assertEnds(client(node), 3501, 'bad request')
})

test('a backend that refuses a token ends it on the client: unauthorized', async () => {
  const getToken = async () => { throw new UnauthorizedError() }
  await assertEnds(client(node, 'alice', { getToken }), 1, 'unauthorized')
})

test('asks again when fetching the token fails', async () => {
  let fetched = 0
  const getToken = async () => {
    if (++fetched === 1) throw new Error('a passing fault')
    return token({ sub: 'alice' })
  }
  const alice = client(node, 'alice', { getToken })
  const error = next(alice, 'error')
  alice.connect()
  await error
  await alice.ready(5000)
  assert.equal(fetched, 2)
})

test('the server API disconnects: 3503 is the end', async () => {
  const alice = await connected(node, 'alice')
  const ended = next(alice, 'disconnected')
  await node.api('disconnect', { user: 'alice' })
  const { code, reason } = await ended
  assert.deepEqual({ code, reason }, { code: 3503, reason: 'force disconnect' })
})

test('the server API disconnects with a code of the application: 4100 reconnects', async () => {
  const alice = await connected(node, 'alice')
  const [leaving, back] = [next(alice, 'connecting'), next(alice, 'connected')]
  await node.api('disconnect', { user: 'alice', disconnect: { code: 4100, reason: 'moved' } })
  const { code, reason } = await leaving
  assert.deepEqual({ code, reason }, { code: 4100, reason: 'moved' })
  await back
})

test('the server API disconnects with a code of the application: 4600 is the end', async () => {
  const alice = await connected(node, 'alice')
  const ended = next(alice, 'disconnected')
  await node.api('disconnect', { user: 'alice', disconnect: { code: 4600, reason: 'banned' } })
  const { code, reason } = await ended
  assert.deepEqual({ code, reason }, { code: 4600, reason: 'banned' })
})

test('others stay when one user is disconnected', async () => {
  const [alice, bob] = [await connected(node, 'alice'), await connected(node, 'bob')]
  const ended = next(alice, 'disconnected')
  await node.api('disconnect', { user: 'alice' })
  await ended
  await (await subscribed(bob, 'news')).publish('bob is here')
})

test('what is not offered is refused, and the connection lives', async () => {
  const alice = await connected(node, 'alice')
  await assert.rejects(alice.rpc('anything', {}), { code: 108 })
  const news = await subscribed(alice, 'news')
  await assert.rejects(news.presence(), { code: 108 })
  await assert.rejects(news.presenceStats(), { code: 108 })
  await assert.rejects(news.history({ limit: 1 }), { code: 108 })
  await news.publish('still here')
})

test('a call waits for the connection', async () => {
  const alice = client(node, 'alice')
  const answer = alice.rpc('early', {})
  alice.connect()
  await assert.rejects(answer, { code: 108 })
})

test('connects and disconnects in a loop, and nothing is left', async () => {
  const alice = client(node, 'alice')
  for (let round = 0; round < 10; round++) {
    alice.connect()
    if (round % 2 === 0) await alice.ready(5000)
    alice.disconnect()
  }
  await eventually(async () => await node.metric('fanfare_connections') === 0, 'the node has no connection')
  assert.equal(await node.metric('fanfare_subscriptions'), 0)
})

test('answers pings, and a client that does not is closed with 3012', async () => {
  const restless = await startNode({ ...RULES, 'client.ping_interval': '3s', 'client.pong_timeout': '2s' })
  const alice = await connected(restless, 'alice', { maxServerPingDelay: 3000 })
  const longerThanWithoutPings = pause(7500)
  const gone = collect(alice, 'connecting')
  const silent = new WebSocket(restless.url)
  const closed = new Promise(resolve => silent.once('close', (code, text) => resolve([code, String(text)])))
  silent.once('open', () => silent.send(JSON.stringify({ id: 1, connect: { token: token({ sub: 'bob' }) } })))
  assert.deepEqual(await closed, [3012, 'no pong'])
  await longerThanWithoutPings
  assert.deepEqual(gone, [])
  closeClients()
  await restless.stop()
})

test('a drained node says 3001, and clients come back on the next one', async () => {
  const first = await startNode(RULES)
  const alice = await connected(first, 'alice')
  const news = await subscribed(alice, 'news')
  const [leaving, heard] = [next(alice, 'connecting'), next(news, 'publication')]
  await first.stop()
  const { code, reason } = await leaving
  assert.deepEqual({ code, reason }, { code: 3001, reason: 'shutdown' })
  const second = await startNode({ ...RULES, 'public.address': first.public })
  await eventually(() => news.state === 'subscribed', 'the subscription is back')
  await second.api('publish', { channel: 'news', data: 'from the second node' })
  assert.equal((await heard).data, 'from the second node')
  closeClients()
  await second.stop()
})

async function assertEnds(made, code, reason) {
  const ended = next(made, 'disconnected')
  made.connect()
  const context = await ended
  assert.deepEqual({ code: context.code, reason: context.reason }, { code, reason })
}
