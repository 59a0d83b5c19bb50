// Subscriptions and publications: rules, tokens, server-side subscriptions, pipelining.

import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'

import { UnauthorizedError } from 'centrifuge'

import { eventually, inSeconds, startNode, token } from '../fixture/node.mjs'
import { client, closeClients, collect, connected, next, pause, subscribed } from './clients.mjs'

let node
before(async () => {
  node = await startNode({
    'channels.client_subscribe': true,
    'channels.client_publish': true,
    'channels.user_limited': true,
    'namespaces.secret.client_subscribe': false,
    'namespaces.room.client_subscribe': true,
    'namespaces.room.subscriber_publish': true
  })
})
afterEach(closeClients)
after(() => node?.stop())

test('subscribes and unsubscribes', async () => {
  const alice = await connected(node, 'alice')
  const news = await subscribed(alice, 'news')
  assert.equal(await subscribers('news'), 1)
  const event = next(news, 'unsubscribed')
  news.unsubscribe()
  assert.equal((await event).code, 0)
  await eventually(async () => await subscribers('news') === 0, 'nobody is subscribed')
})

test('what one client publishes reaches the other and itself, in order', async () => {
  const [alice, bob] = [await connected(node, 'alice'), await connected(node, 'bob')]
  const [hers, his] = [await subscribed(alice, 'chat'), await subscribed(bob, 'chat')]
  const [atAlice, atBob] = [collect(hers, 'publication'), collect(his, 'publication')]
  const texts = Array.from({ length: 20 }, (_, number) => ({ number, text: 'grüße 👋 "quoted"\n' }))
  await Promise.all(texts.map(text => hers.publish(text)))
  await eventually(() => atAlice.length + atBob.length === 40, 'all publications')
  for (const heard of [atAlice, atBob]) {
    assert.deepEqual(heard.map(({ data }) => data), texts)
    assert.equal(heard[0].info.user, 'alice')
    assert.equal(heard[0].info.client, heard[19].info.client)
  }
})

test('the server API publishes to all who are subscribed', async () => {
  const [alice, bob] = [await connected(node, 'alice'), await connected(node, 'bob')]
  const heard = (await Promise.all([alice, bob].map(made => subscribed(made, 'news'))))
    .map(subscription => next(subscription, 'publication'))
  await node.api('publish', { channel: 'news', data: { from: 'a backend' } })
  for (const { data, info } of await Promise.all(heard)) {
    assert.deepEqual(data, { from: 'a backend' })
    assert.equal(info, undefined)
  }
})

test('rules refuse: 103 without a right, 102 for a namespace that is not there', async () => {
  const alice = await connected(node, 'alice')
  await assertRefused(alice.newSubscription('secret:plans'), 103)
  await assertRefused(alice.newSubscription('$private'), 103)
  await assertRefused(alice.newSubscription('#bob'), 103)
  await assertRefused(alice.newSubscription('nowhere:at-all'), 102)
  await assertRefused(alice.newSubscription('curly{name}'), 107)
  await assert.rejects(alice.publish('secret:plans', {}), { code: 103 })
  assert.equal(alice.state, 'connected')
})

test('a user subscribes to a channel of its own', async () => {
  const alice = await connected(node, 'alice')
  const own = await subscribed(alice, '#alice')
  const heard = next(own, 'publication')
  await node.api('publish', { channel: '#alice', data: 'for you' })
  assert.equal((await heard).data, 'for you')
})

test('who is subscribed may publish where the namespace says so', async () => {
  const alice = await connected(node, 'alice')
  await assert.rejects(alice.publish('room:1', {}), { code: 103 })
  const room = await subscribed(alice, 'room:1')
  const heard = next(room, 'publication')
  await room.publish({ hello: 'room' })
  assert.deepEqual((await heard).data, { hello: 'room' })
})

test('a token for the channel opens it', async () => {
  const alice = await connected(node, 'alice')
  for (const channel of ['secret:plans', '$private']) {
    const getToken = async context => {
      assert.equal(context.channel, channel)
      return token({ sub: 'alice', channel })
    }
    const subscription = await subscribed(alice, channel, { getToken })
    const heard = next(subscription, 'publication')
    await node.api('publish', { channel, data: 'hush' })
    assert.equal((await heard).data, 'hush')
  }
})

test('an expired token for the channel is answered with 109, and the SDK fetches another', async () => {
  const alice = await connected(node, 'alice')
  let fetched = 0
  const getToken = async ({ channel }) =>
    token({ sub: 'alice', channel, exp: inSeconds(++fetched === 1 ? -60 : 3600) })
  await subscribed(alice, 'secret:plans', { getToken, minResubscribeDelay: 50 })
  assert.equal(fetched, 2)
})

test('a token for the channel is refreshed before it runs out', async () => {
  const alice = await connected(node, 'alice')
  let fetched = 0
  const getToken = async ({ channel }) =>
    token({ sub: 'alice', channel, exp: inSeconds(++fetched === 1 ? 2 : 3600) })
  const subscription = await subscribed(alice, 'secret:plans', { getToken })
  const lost = collect(subscription, 'subscribing')
  await eventually(() => fetched === 2, 'a second token')
  await pause(500)
  assert.deepEqual(lost, [])
  assert.equal(alice.state, 'connected')
})

test('an invalid token for the channel is refused with 103, and the connection lives', async () => {
  const alice = await connected(node, 'alice')
  const forged = token({ sub: 'alice', channel: 'secret:plans' }, 'another secret of over 32 bytes')
  await assertRefused(alice.newSubscription('secret:plans', { token: forged }), 103)
  assert.equal(alice.state, 'connected')
})

test('a token for another channel or user ends the connection: 3500', async () => {
  for (const claims of [{ sub: 'alice', channel: 'secret:other' }, { sub: 'bob', channel: 'secret:plans' }]) {
    const alice = await connected(node, 'alice')
    const ended = next(alice, 'disconnected')
    alice.newSubscription('secret:plans', { token: token(claims) }).subscribe()
    assert.equal((await ended).code, 3500)
  }
})

test('a backend that refuses a token for the channel ends it on the client: unauthorized', async () => {
  const alice = await connected(node, 'alice')
  const getToken = async () => { throw new UnauthorizedError() }
  await assertRefused(alice.newSubscription('secret:plans', { getToken }), 1)
  assert.equal(alice.state, 'connected')
})

test('the connection token subscribes by itself', async () => {
  const alice = client(node, 'alice', { token: token({ sub: 'alice', channels: ['#alice', 'secret:plans'] }) })
  const [first, heard] = [next(alice, 'subscribed'), next(alice, 'publication')]
  alice.connect()
  assert.ok(['#alice', 'secret:plans'].includes((await first).channel))
  await alice.ready()
  await node.api('publish', { channel: '#alice', data: { text: 'for you' } })
  const { channel, data } = await heard
  assert.deepEqual({ channel, data }, { channel: '#alice', data: { text: 'for you' } })
})

test('the server API subscribes a user, and unsubscribes again', async () => {
  const alice = await connected(node, 'alice')
  const [began, heard, ended] = ['subscribed', 'publication', 'unsubscribed'].map(name => next(alice, name))
  await node.api('subscribe', { user: 'alice', channel: 'secret:plans' })
  assert.equal((await began).channel, 'secret:plans')
  await node.api('publish', { channel: 'secret:plans', data: 1 })
  assert.equal((await heard).data, 1)
  await node.api('unsubscribe', { user: 'alice', channel: 'secret:plans' })
  assert.equal((await ended).channel, 'secret:plans')
  assert.equal(await subscribers('secret:plans'), 0)
})

test('the server API unsubscribes: 2000, and the SDK stays away', async () => {
  const alice = await connected(node, 'alice')
  const news = await subscribed(alice, 'news')
  const ended = next(news, 'unsubscribed')
  await node.api('unsubscribe', { user: 'alice', channel: 'news' })
  const { code, reason } = await ended
  assert.deepEqual({ code, reason }, { code: 2000, reason: 'server unsubscribe' })
  assert.equal(news.state, 'unsubscribed')
  assert.equal(await subscribers('news'), 0)
})

test('subscribes that were asked for before the connect leave with it', async () => {
  const alice = client(node, 'alice')
  const wanted = ['a', 'b', 'c'].map(channel => alice.newSubscription(channel))
  wanted.forEach(subscription => subscription.subscribe())
  alice.connect()
  await Promise.all(wanted.map(subscription => subscription.ready(5000)))
  const heard = wanted.map(subscription => next(subscription, 'publication'))
  await node.api('broadcast', { channels: ['a', 'b', 'c'], data: 'all' })
  assert.deepEqual((await Promise.all(heard)).map(({ data }) => data), ['all', 'all', 'all'])
})

test('an unsubscribe between the connect and its reply', async () => {
  const alice = client(node, 'alice')
  const news = alice.newSubscription('news')
  news.subscribe()
  alice.connect()
  news.unsubscribe()
  await alice.ready(5000)
  await alice.rpc('a round trip', {}).catch(() => {})
  assert.equal(await subscribers('news'), 0)
  assert.equal(news.state, 'unsubscribed')
})

test('ten rapid pairs of subscribe and unsubscribe leave what the last one says', async () => {
  const alice = await connected(node, 'alice')
  const news = alice.newSubscription('news')
  for (let round = 0; round < 10; round++) {
    news.subscribe()
    news.unsubscribe()
  }
  news.subscribe()
  await news.ready(5000)
  await eventually(async () => await subscribers('news') === 1, 'one is subscribed')
  news.unsubscribe()
  await eventually(async () => await subscribers('news') === 0, 'nobody is subscribed')
})

test('several commands in one frame', async () => {
  const alice = await connected(node, 'alice')
  const news = await subscribed(alice, 'news')
  const heard = collect(news, 'publication')
  alice.startBatching()
  const answers = Array.from({ length: 50 }, (_, number) => news.publish(number))
  alice.stopBatching()
  await Promise.all(answers)
  await eventually(() => heard.length === 50, 'all publications')
  assert.deepEqual(heard.map(({ data }) => data), Array.from({ length: 50 }, (_, number) => number))
})

test('subscriptions come back after the connection was lost', async () => {
  const alice = await connected(node, 'alice')
  const news = await subscribed(alice, 'news')
  const back = next(news, 'subscribed')
  await node.api('disconnect', { user: 'alice', disconnect: { code: 4001, reason: 'again' } })
  await back
  assert.equal(await subscribers('news'), 1)
})

async function subscribers(channel) {
  const { channels } = await node.api('channels', {})
  return channels[channel]?.num_clients ?? 0
}

async function assertRefused(subscription, code) {
  const refused = next(subscription, 'unsubscribed')
  subscription.subscribe()
  assert.equal((await refused).code, code)
}
