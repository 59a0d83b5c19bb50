// Channels with history: positions, what comes after an absence, and reading what is kept.

import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'

import WebSocket from 'ws'

import { eventually, startNode, token } from '../fixture/node.mjs'
import { client, closeClients, collect, connected, next, pause, subscribed } from './clients.mjs'

// Long enough for a test to publish while a client is away.
const AWAY = { minReconnectDelay: 1000, maxReconnectDelay: 1500 }

let node
before(async () => {
  const kept = { client_subscribe: true, client_publish: true, history_ttl: '60s', subscriber_history: true }
  const namespace = (name, settings) =>
    Object.entries({ ...kept, ...settings }).map(([key, value]) => [`namespaces.${name}.${key}`, value])
  node = await startNode({
    'channels.client_subscribe': true,
    ...Object.fromEntries([
      ...namespace('kept', { history_size: 500 }),
      ...namespace('short', { history_size: 3 }),
      ...namespace('latest', { history_size: 10, recovery: 'latest' })
    ])
  })
})
afterEach(closeClients)
after(() => node?.stop())

test('a subscription has a position where there is history, and publications have numbers', async () => {
  const alice = await connected(node, 'alice')
  const channel = alice.newSubscription('kept:positions')
  const begun = next(channel, 'subscribed')
  channel.subscribe()
  const { positioned, recoverable, streamPosition, wasRecovering } = await begun
  assert.deepEqual({ positioned, recoverable, wasRecovering }, { positioned: true, recoverable: true, wasRecovering: false })
  assert.equal(streamPosition.offset, 0)
  const heard = collect(channel, 'publication')
  const position = await node.api('publish', { channel: 'kept:positions', data: 'one' })
  assert.deepEqual(position, { offset: 1, epoch: streamPosition.epoch })
  await channel.publish('two')
  await eventually(() => heard.length === 2, 'both publications')
  assert.deepEqual(heard.map(({ offset, data }) => [offset, data]), [[1, 'one'], [2, 'two']])
  const bare = alice.newSubscription('bare')
  const without = next(bare, 'subscribed')
  bare.subscribe()
  const told = await without
  assert.deepEqual([told.positioned, told.recoverable, told.streamPosition], [false, false, undefined])
})

test('what was published while the backend had the client away comes when it is back', async () => {
  const { channel, heard, back, away } = await listener('kept:disconnect', AWAY)
  await publish('kept:disconnect', 1, 3)
  await eventually(() => heard.length === 3, 'what came before')
  const gone = away()
  await node.api('disconnect', { user: 'alice', disconnect: { code: 4001, reason: 'again' } })
  await gone
  const again = back()
  await publish('kept:disconnect', 4, 8)
  assertRecovered(await again)
  await publish('kept:disconnect', 9, 10)
  await assertWhole(heard, 10)
  assert.equal(channel.state, 'subscribed')
})

test('what was published after the transport broke comes when the client is back', async () => {
  const sockets = []
  class Fragile extends WebSocket {
    constructor (...parameters) {
      super(...parameters)
      sockets.push(this)
    }
  }
  const { heard, back, away } = await listener('kept:broken', { ...AWAY, websocket: Fragile })
  await publish('kept:broken', 1, 2)
  await eventually(() => heard.length === 2, 'what came before')
  const gone = away()
  sockets.at(-1).terminate()
  await gone
  const again = back()
  await publish('kept:broken', 3, 6)
  assertRecovered(await again)
  await assertWhole(heard, 6)
  assert.equal(sockets.length, 2)
})

test('a busy channel stays whole over many interruptions', async () => {
  const { heard } = await listener('kept:busy', { minReconnectDelay: 1, maxReconnectDelay: 20 })
  let published = 0
  for (let round = 0; round < 10; round++) {
    const disconnect = { user: 'alice', disconnect: { code: 4001, reason: 'again' } }
    const publishing = publish('kept:busy', published + 1, published + 30)
    await Promise.all([publishing, node.api('disconnect', disconnect)])
    published += 30
  }
  await assertWhole(heard, published)
})

test('what one publishes itself is not repeated to it', async () => {
  const { alice, channel, heard } = await listener('kept:own')
  await channel.publish(1)
  await eventually(() => heard.length === 1, 'its own publication')
  alice.disconnect()
  const again = next(channel, 'subscribed')
  alice.connect()
  assertRecovered(await again)
  await publish('kept:own', 2, 2)
  await assertWhole(heard, 2)
})

test('who was away for too long is told, and goes on with what comes', async () => {
  const { alice, channel, heard } = await listener('short:away')
  await publish('short:away', 1, 1)
  await eventually(() => heard.length === 1, 'what came before')
  alice.disconnect()
  await publish('short:away', 2, 9)
  const again = next(channel, 'subscribed')
  alice.connect()
  const { wasRecovering, recovered, streamPosition } = await again
  assert.deepEqual({ wasRecovering, recovered, offset: streamPosition.offset },
    { wasRecovering: true, recovered: false, offset: 9 })
  await publish('short:away', 10, 10)
  await eventually(() => heard.length === 2, 'what comes')
  assert.deepEqual(heard.map(({ offset }) => offset), [1, 10])
})

test('the latest alone comes where that is the rule', async () => {
  const { alice, channel, heard } = await listener('latest:state')
  await publish('latest:state', 1, 1)
  await eventually(() => heard.length === 1, 'what came before')
  alice.disconnect()
  await publish('latest:state', 2, 5)
  const again = next(channel, 'subscribed')
  alice.connect()
  assertRecovered(await again)
  await eventually(() => heard.length === 2, 'the latest')
  assert.deepEqual(heard.map(({ offset }) => offset), [1, 5])
})

test('a subscription that begins at a given position gets what followed it', async () => {
  const { epoch } = await publish('kept:since', 1, 5)
  const alice = await connected(node, 'alice')
  const channel = alice.newSubscription('kept:since', { since: { offset: 2, epoch } })
  const heard = collect(channel, 'publication')
  const begun = next(channel, 'subscribed')
  channel.subscribe()
  assertRecovered(await begun)
  await eventually(() => heard.length === 3, 'what followed')
  assert.deepEqual(heard.map(({ offset }) => offset), [3, 4, 5])
})

test('what was missed of channels that the token subscribes to comes with the connect', async () => {
  const alice = client(node, 'alice', { token: token({ sub: 'alice', channels: ['kept:server-side'] }) })
  const [begun, heard] = [next(alice, 'subscribed'), collect(alice, 'publication')]
  alice.connect()
  assert.equal((await begun).streamPosition.offset, 0)
  await publish('kept:server-side', 1, 2)
  await eventually(() => heard.length === 2, 'what came before')
  alice.disconnect()
  await publish('kept:server-side', 3, 5)
  const again = next(alice, 'subscribed')
  alice.connect()
  assertRecovered(await again)
  await publish('kept:server-side', 6, 6)
  await assertWhole(heard, 6)
  assert.ok(heard.every(({ channel }) => channel === 'kept:server-side'))
})

test('history: in parts, both ways, from a position, and the position alone', async () => {
  const alice = await connected(node, 'alice')
  const channel = await subscribed(alice, 'kept:history')
  await channel.publish(1)
  const { epoch } = await publish('kept:history', 2, 5)
  const read = async options => {
    const page = await channel.history(options)
    assert.deepEqual([page.epoch, page.offset], [epoch, 5])
    return page.publications.map(({ offset }) => offset)
  }
  assert.deepEqual(await read({}), [])
  assert.deepEqual(await read({ limit: 2 }), [1, 2])
  assert.deepEqual(await read({ limit: 2, since: { offset: 2, epoch } }), [3, 4])
  assert.deepEqual(await read({ limit: 2, reverse: true }), [5, 4])
  assert.deepEqual(await read({ limit: -1 }), [1, 2, 3, 4, 5])
  const { publications: [first] } = await channel.history({ limit: 1 })
  assert.deepEqual([first.data, first.info.user], [1, 'alice'])
  await assert.rejects(channel.history({ limit: 1, since: { offset: 1, epoch: 'another' } }), { code: 112 })
  await assert.rejects(alice.history('kept:not-subscribed', { limit: 1 }), { code: 103 })
  const bare = await subscribed(alice, 'bare')
  await assert.rejects(bare.history({ limit: 1 }), { code: 108 })
})

test('a removed history: the position stays, and what was missed is gone', async () => {
  const { alice, channel, heard } = await listener('kept:removed')
  await publish('kept:removed', 1, 2)
  await eventually(() => heard.length === 2, 'what came before')
  alice.disconnect()
  await publish('kept:removed', 3, 3)
  await node.api('history_remove', { channel: 'kept:removed' })
  const again = next(channel, 'subscribed')
  alice.connect()
  const { recovered, streamPosition } = await again
  assert.deepEqual([recovered, streamPosition.offset], [false, 3])
  await publish('kept:removed', 4, 4)
  await eventually(() => heard.length === 3, 'what comes')
  assert.deepEqual(heard.map(({ offset }) => offset), [1, 2, 4])
})

/** Alice, subscribed, with what she hears from the begin. */
async function listener(name, options) {
  const alice = await connected(node, 'alice', options)
  const channel = alice.newSubscription(name)
  const heard = collect(channel, 'publication')
  channel.subscribe()
  await channel.ready(5000)
  const [back, away] = [() => next(channel, 'subscribed'), () => next(alice, 'connecting')]
  return { alice, channel, heard, back, away }
}

/** Publishes numbers, which are the offsets too; returns the position of the last. */
async function publish(channel, first, last) {
  let position
  for (let number = first; number <= last; number++) {
    position = await node.api('publish', { channel, data: number })
    assert.equal(position.offset, number)
  }
  return position
}

function assertRecovered({ wasRecovering, recovered }) {
  assert.deepEqual({ wasRecovering, recovered }, { wasRecovering: true, recovered: true })
}

/** Everything up to the last came once, in order, as it was published. */
async function assertWhole(heard, last) {
  await eventually(() => heard.length >= last, `${last} publications`)
  await pause(100)
  const numbers = Array.from({ length: last }, (_, index) => index + 1)
  assert.deepEqual(heard.map(({ offset }) => offset), numbers)
  assert.deepEqual(heard.map(({ data }) => data), numbers)
}
