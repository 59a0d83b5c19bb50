// Three nodes with everything going wrong that operators watch for, under a Prometheus that scrapes each second; then
// every expression of dashboards and recording rules is other than zero at least once.

import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import { eventually, startNode, token } from '../fixture/node.mjs'
import { startRedis } from '../fixture/redis.mjs'
import { Client } from './client.mjs'
import { dashboardExpressions } from './expressions.mjs'
import { startPrometheus } from './prometheus.mjs'
import { startProxy } from './proxy.mjs'

const FAULTY = join(dirname(process.env.FANFARE_BIN), 'examples', 'faulty')
const SETTLE_MS_MAX = 30_000
const LOAD_PERIOD_MS = 50
const CLIENTS = 30
const CHANNELS = ['news', 'kept:a', 'room:a']
const LARGE = 'x'.repeat(60_000)
const CONNECTION_LIMIT = 4

const tokens = Array.from({ length: CLIENTS }, (_, at) => token({ sub: `user-${at}` }))
const began = Date.now()
const say = text => console.error(`${((Date.now() - began) / 1000).toFixed(0).padStart(3)} s  ${text}`)

const settings = {
  'workers': 1,
  'client.ping_interval': '0',
  'client.command_rate': 100_000,
  'channels.client_subscribe': true,
  'channels.client_publish': true,
  'namespaces.kept.client_subscribe': true,
  'namespaces.kept.history_size': 100,
  'namespaces.kept.history_ttl': '1m',
  'namespaces.room.client_subscribe': true,
  'namespaces.room.presence': true,
  'namespaces.room.join_leave': true,
  'namespaces.room.presence_members_max': 1
}

const redis = await startRedis()
const proxy = await startProxy(redis.port)
const directory = await mkdtemp(join(tmpdir(), 'fanfare-observe-'))
const file = join(directory, 'fanfare.toml')
await writeFile(file, 'allowed_origins = ["https://a.example"]\n')
const collector = createServer((request, response) => request.resume().on('end', () => response.end()))
await once(collector.listen(0, '127.0.0.1'), 'listening')
const traced = { 'tracing.url': `http://127.0.0.1:${collector.address().port}`, 'tracing.sample_ratio': '1' }

const [near, far, full] = await Promise.all([
  startNode({ ...settings, ...traced, 'redis.url': proxy.url }, ['--config', file]),
  startNode({ ...settings, 'redis.url': redis.url, 'drain.delay': '2s', 'drain.window': '3s' }),
  startFaulty({ ...settings, 'redis.url': redis.url, 'connection_limit': CONNECTION_LIMIT })
])
const prometheus = await startPrometheus([near, far, full].map(node => node.internal))
say('three nodes are watched')

const clients = await Promise.all([near, far].flatMap(node => tokens.map(token => Client.enter(node.public, token, CHANNELS))))
await eventually(async () => await near.metric('fanfare_subscriptions') === CLIENTS * CHANNELS.length, 'all subscribe', SETTLE_MS_MAX)
const load = setInterval(publishSome, LOAD_PERIOD_MS)

say('what clients and backends do wrong')
const slow = await Client.enter(near.public, tokens[0], ['bulk'])
slow.stopReading()
const bulk = setInterval(() => quietly(near.api('publish', { channel: 'bulk', data: LARGE })), LOAD_PERIOD_MS)
await misbehave()
await crowd()

say('what Redis carries wrongly')
await publishWrongly()
proxy.publications = 'twice'
await seen('rate(fanfare_publications_duplicate_total[10s])')
proxy.babble()
await seen('rate(fanfare_redis_protocol_errors_total[10s])')
proxy.publications = 'pass'
await whole()

say('a node that hears nothing')
proxy.publications = 'none'
await seen('rate(fanfare_redis_rebuilds_total[10s])')
proxy.areAnswersLate = true
proxy.publications = 'pass'
await seen('fanfare_channels_repairing', 5000).catch(() => {})
proxy.areAnswersLate = false
await whole()

say('more than a node can deliver at once')
await flood()
await seen('fanfare_mailbox_entries')

say('a slow reader')
await seen('rate(fanfare_outbox_overflows_total[10s])')
clearInterval(bulk)

say('Redis stands still, is killed, and returns with nothing')
redis.child.kill('SIGSTOP')
const passers = await Promise.all(tokens.map(token => Client.enter(far.public, token, ['room:a'])))
passers.forEach(client => client.close())
await seen('fanfare_redis_commands_open')
await pause(3000)
redis.child.kill('SIGCONT')
await redis.restart()
await whole()
await seen('rate(fanfare_subscriptions_lapsed_total[10s])')

say('settings that are refused, and some that await a restart')
for (const text of ['allowed_origins = []\n', 'allowed_origins = []\n[demo]\nenabled = true\n', 'nonsense\n']) {
  await writeFile(file, text)
  near.kill('SIGHUP')
  await pause(1500)
}

say('a drain')
far.kill('SIGTERM')
await far.ended
await pause(2000)
clearInterval(load)

const failures = await judge()
clients.forEach(client => client.close())
await Promise.all([near, full].map(node => node.kill()))
await Promise.all([prometheus.stop(), redis.stop(), rm(directory, { recursive: true, force: true })])
if (failures.length) {
  console.error(failures.join('\n'))
  process.exit(1)
}
say('every expression was other than zero')
process.exit(0)

/** A node whose protocol at /panicky panics over a frame that says so. */
async function startFaulty(settings) {
  const program = process.env.FANFARE_BIN
  process.env.FANFARE_BIN = FAULTY
  try {
    return await startNode(settings)
  } finally {
    process.env.FANFARE_BIN = program
  }
}

function publishSome() {
  const data = { text: 'hello' }
  for (const channel of CHANNELS) quietly(far.api('publish', { channel, data }))
  quietly(near.api('publish', { channel: 'news', data }))
  clients[0].ask('publish', { channel: 'news', data })
}

/** What may fail while Redis is away. */
function quietly(promise) {
  promise.catch(() => {})
}

async function misbehave() {
  clients[0].ask('subscribe', { channel: 'no-such-namespace:a' })
  await Client.enter(near.public, token({ sub: 'mallory' }, 'another secret of more than 32 bytes'))
  await Client.open(near.public, { headers: ['Origin: https://elsewhere.example'] }).catch(() => {})
  await near.apiAnswer('publish', { channel: 'news', data: 1 }, 'no key').catch(() => {})
  await near.api('disconnect', { user: `user-${CLIENTS - 1}` })
}

/** More clients than a node takes, and one that makes it panic. */
async function crowd() {
  const panicky = await Client.enter(full.public, tokens[0], ['news'], { path: '/panicky' })
  panicky.send('panic')
  const open = () => Client.enter(full.public, tokens[1], ['news']).catch(() => {})
  await Promise.all(Array.from({ length: 3 * CONNECTION_LIMIT }, open))
}

/** To a channel with history without a number, what is no JSON, and by a clock that is ahead. */
async function publishWrongly() {
  await redis.cli('PUBLISH', 'fanfare:ch:kept:a', '1')
  await redis.cli('PUBLISH', 'fanfare:ch:news', 'nonsense')
  await redis.cli('FUNCTION', 'FLUSH')
  const inAMinute = Buffer.alloc(8)
  inAMinute.writeBigUInt64BE(BigInt(Date.now() + 60_000) * 1000n)
  const field = (id, bytes) => {
    const head = Buffer.from([id, 0, 0, 0, 0])
    head.writeUInt32BE(bytes.length, 1)
    return Buffer.concat([head, bytes])
  }
  const envelope = Buffer.concat([Buffer.from([0xfa, 1]), field(1, Buffer.from('1')), field(4, inAMinute)])
  await pipe([command('PUBLISH', 'fanfare:ch:news', envelope)])
}

/** Publications in Redis, faster than a node delivers. */
function flood() {
  return pipe(Array(20_000).fill(command('PUBLISH', 'fanfare:ch:news', '{"text":"many"}')))
}

function command(...parts) {
  const part = bytes => Buffer.concat([Buffer.from(`$${Buffer.from(bytes).length}\r\n`), Buffer.from(bytes), Buffer.from('\r\n')])
  return Buffer.concat([Buffer.from(`*${parts.length}\r\n`), ...parts.map(part)])
}

function pipe(commands) {
  return new Promise((resolve, reject) => {
    const socket = connect(redis.port, '127.0.0.1').once('error', reject)
    socket.resume().end(Buffer.concat(commands)).once('close', resolve)
  })
}

function seen(query, ms = SETTLE_MS_MAX) {
  return eventually(() => prometheus.wasSeen(query), `${query} is not 0`, ms)
}

function whole() {
  return eventually(async () => await near.metric('fanfare_broker_up') === 1, 'the node hears again', SETTLE_MS_MAX)
}

async function judge() {
  const rules = await prometheus.rules()
  const broken = rules.filter(({ lastError }) => lastError).map(({ name, lastError }) => `${name}: ${lastError}`)
  const recorded = rules.filter(({ type }) => type === 'recording').map(({ name }) => ({ where: 'rules.yaml', expr: name }))
  const asked = [...dashboardExpressions(), ...recorded]
  const zero = []
  for (const { where, expr } of asked) if (!await prometheus.wasSeen(expr)) zero.push(`always 0: ${where}: ${expr}`)
  const fired = await prometheus.since('count by (alertname) (ALERTS{alertstate="firing"})')
  say(`${asked.length} expressions were asked; alerts that fired:`)
  console.log(fired.map(({ metric }) => metric.alertname).sort().join('\n'))
  return [...broken, ...zero]
}
