// Clients reach nodes through proxies that are configured as the page says, and notice neither silence nor change.

import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { request } from 'node:https'
import { after, before, test } from 'node:test'

import { closeClients, collect, connected, pause, subscribed } from '../centrifuge-js/clients.mjs'
import { eventually, startNode } from '../fixture/node.mjs'
import { startRedis } from '../fixture/redis.mjs'
import { makeDirectory, startHaproxy, startNginx, startNginxStream, stopProxies } from './proxies.mjs'

const WebSocket = createRequire(new URL('../centrifuge-js/clients.mjs', import.meta.url))('ws')

/** An address of this machine that no proxy has. */
const CLIENT = '127.0.0.9'
/** Longer than the proxies wait for a silent connection. */
const SILENCE_MS = 5000
const CLIENTS = 12

let directory, redis, plain, proxied, proxies

before(async () => {
  [directory, redis] = await Promise.all([makeDirectory(), startRedis()])
  const settings = {
    'redis.url': redis.url,
    'client.ping_interval': '2s',
    'client.pong_timeout': '1s',
    'channels.client_subscribe': true,
    'namespaces.kept.client_subscribe': true,
    'namespaces.kept.history_size': 10_000,
    'namespaces.kept.history_ttl': '60s',
    trusted_proxies: '127.0.0.1',
    'drain.delay': '2s',
    'drain.window': '2s'
  }
  const pair = more => Promise.all([1, 2].map(() => startNode({ ...settings, ...more })))
  ;[plain, proxied] = await Promise.all([pair({}), pair({ 'public.proxy_protocol': true })])
  const [nginx, stream, haproxy] = await Promise.all([
    startNginx(directory, plain), startNginxStream(directory, proxied), startHaproxy(directory, proxied)
  ])
  proxies = { nginx, stream, haproxy }
}, { timeout: 40_000 })

after(async () => {
  closeClients()
  await stopProxies()
  for (const node of [...plain ?? [], ...proxied ?? []]) node.kill()
  await redis?.stop()
  await directory?.remove()
})

test('the node knows where the client is, by header, PROXY v1 and PROXY v2', async () => {
  for (const [name, nodes] of [['nginx', plain], ['stream', proxied], ['haproxy', proxied]]) {
    const origin = `https://${name}.example`
    const told = () => nodes.flatMap(node => node.log).find(line => line.includes(origin))
    // A worker that has just logged a refusal logs the next one later: another one is tried.
    const line = await eventually(async () => {
      assert.equal(await status(proxies[name], '/connection/websocket', upgrade(origin)), 403, name)
      return eventually(told, 'a line', 300).catch(() => undefined)
    }, `${name}: a line in the log`, 15_000)
    assert.match(line, new RegExp(`"client":"${CLIENT.replaceAll('.', '\\.')}"`), name)
  }
})

test('nothing but client paths is reached', async () => {
  for (const proxy of Object.values(proxies)) {
    for (const path of ['/', '/metrics', '/readyz', '/api/info', '/connection/../metrics', '/connection/']) {
      assert.equal(await status(proxy, path), 404, `${proxy.name} ${path}`)
    }
  }
})

test('who has no header is turned away from a node behind a proxy that sends one', async () => {
  const socket = new WebSocket(proxied[0].url)
  await new Promise(resolve => socket.once('error', resolve))
  assert.ok(await proxied[0].metric('fanfare_connections_refused_total') > 0)
})

test('a connection may be silent for longer than the proxies wait', async () => {
  const made = await Promise.all(Object.values(proxies).map(proxy => through(proxy, 'silent', 'news')))
  await pause(SILENCE_MS)
  await plain[0].api('publish', { channel: 'news', data: 'after' })
  for (const [index, { heard, lost }] of made.entries()) {
    const name = Object.keys(proxies)[index]
    await eventually(() => heard.length === 1, `${name} heard`)
    assert.deepEqual(lost, [], name)
  }
  closeClients()
})

test('a reload of nginx moves connections, and nothing is lost', async () => {
  for (const proxy of [proxies.nginx, proxies.stream]) {
    await nothingIsLost(proxy, plain[0], async followers => {
      proxy.reload()
      await eventually(() => followers.every(({ lost }) => lost.length > 0), 'all were cut', 10_000)
    })
  }
})

test('HAProxy sends nobody to a node that drains, and nothing is lost', async () => {
  const [leaver, stayer] = proxied
  const [before] = await Promise.all([leaver, stayer].map(node => node.metric('fanfare_connections')))
  await nothingIsLost(proxies.haproxy, stayer, async followers => {
    await eventually(async () => await leaver.metric('fanfare_connections') > before, 'some are there')
    await leaver.stop()
    await eventually(async () => await stayer.metric('fanfare_connections') === CLIENTS, 'all are here')
    const moved = followers.filter(({ lost }) => lost.length > 0)
    assert.ok(moved.length > 0 && moved.length < CLIENTS, `${moved.length} moved`)
    // None was sent back to the node that it came from.
    for (const { lost } of moved) assert.deepEqual(lost.map(({ code }) => code), [3001])
  })
})

/** Publishes without a pause while something happens to those who listen through a proxy. */
async function nothingIsLost(proxy, node, happen) {
  const channel = `kept:${proxy.name}${proxy.port}`
  const names = Array.from({ length: CLIENTS }, (_, index) => `follower${index}`)
  const followers = await Promise.all(names.map(name => through(proxy, name, channel)))
  let count = 0
  let isOver = false
  const publishing = (async () => {
    while (!isOver) {
      await node.api('publish', { channel, data: count })
      count += 1
      await pause(5)
    }
  })()
  await happen(followers)
  isOver = true
  await publishing
  const all = Array.from({ length: count }, (_, number) => number)
  for (const { heard } of followers) {
    await eventually(() => heard.length >= count, `${heard.length} of ${count} were heard`, 15_000)
    assert.deepEqual(heard.map(({ data }) => data), all)
  }
  closeClients()
  await eventually(async () => await node.metric('fanfare_connections') === 0, 'all have left', 10_000)
}

/** A subscriber through a proxy, with what it heard and how often it was cut off. */
async function through(proxy, user, channel) {
  const ca = directory.certificate
  class Trusting extends WebSocket {
    constructor(url, protocols) {
      super(url, protocols, { ca, localAddress: CLIENT })
    }
  }
  const made = await connected(proxy, user, { websocket: Trusting })
  const lost = collect(made, 'connecting')
  const subscription = await subscribed(made, channel)
  return { heard: collect(subscription, 'publication'), lost }
}

function upgrade(origin) {
  const key = 'dGhlIHNhbXBsZSBub25jZQ=='
  return {
    Connection: 'Upgrade', Upgrade: 'websocket', Origin: origin, 'Sec-WebSocket-Version': 13, 'Sec-WebSocket-Key': key
  }
}

/** The status of an answer through a proxy. */
function status({ port }, path, headers = {}) {
  return new Promise((resolve, reject) => {
    const options = { host: 'localhost', port, path, headers, ca: directory.certificate, localAddress: CLIENT }
    const asked = request({ ...options, agent: false, family: 4 }, response => {
      response.resume()
      resolve(response.statusCode)
    })
    asked.once('error', reject)
    asked.end()
  })
}
