// The load test finds what it is for: one publication that is dropped, repeated or swapped on the way fails a run, and
// so does what should have happened and did not.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'

import { API_KEY, SECRET, startNode } from '../fixture/node.mjs'
import { startProxy } from './proxy.mjs'

const LOADTEST = new URL('../../loadtest/', import.meta.url).pathname
const RUN_MS_MAX = 50_000
const PASSED = 0
const CROSSED = 99
const ABORTED = 108
const CONNECTIONS = 8
const PUBLICATIONS = 40

/** What would leave a run without its load, or without its limits. */
const UNFIT = [
  ['fan-out', 'FANFARE_URL', 'localhost:8000'],
  ['fan-out', 'FANFARE_PUBLISH_URL', ','],
  ['fan-out', 'FANFARE_API_KEY', ' '],
  ['fan-out', 'CONNECTIONS', 'many'],
  ['fan-out', 'CONNECTIONS', '0'],
  ['fan-out', 'CONNECTIONS_PER_VU', '0'],
  ['fan-out', 'CHANNELS', '2.5'],
  ['fan-out', 'PUBLISHERS', '0'],
  ['fan-out', 'RATE', '-1'],
  ['fan-out', 'DURATION', '0s'],
  ['fan-out', 'SAMPLE', '0.1'],
  ['fan-out', 'SLO_DELIVERY_P99_MS', 'Infinity'],
  ['fan-out', 'SLO_CONNECT_P99_MS', 'NaN'],
  ['fan-out', 'SLO_CONNECT_FAILED', '1'],
  ['connect-storm', 'STORMS', '0'],
  ['presence-churn', 'MEMBERS', '0'],
  ['presence-churn', 'LIFETIME', '0'],
  ['slow-readers', 'SLOW', '0'],
  ['rolling-drain', 'RECONNECTS_MIN', '0'],
  ['soak', 'LIFETIME', '0']
]

const directory = mkdtempSync(join(tmpdir(), 'fanfare-loadtest-'))
let node

before(async () => {
  node = await startNode({}, ['--config', join(LOADTEST, 'namespaces.toml')])
})

after(async () => {
  await node?.stop()
  rmSync(directory, { recursive: true, force: true })
})

describe('a run', { concurrency: 2 }, () => {
  test('passes, and tells Prometheus, when nothing happens on the way', async () => {
    const store = await startStore()
    const { code, report, said } = await through('none', { K6_OUT: 'experimental-prometheus-rw', ...store.settings })
    await store.stop()
    assert.equal(code, PASSED, said)
    assert.equal(report.counts.published, PUBLICATIONS)
    assert.equal(report.counts.delivered, PUBLICATIONS * CONNECTIONS)
    assert.deepEqual(faults(report), { lost: 0, doubled: 0, out_of_order: 0 })
    assert.ok(report.passed)
    assert.ok(store.writes > 0, 'nothing was written to Prometheus')
  })

  test('fails when one publication is dropped', async () => {
    await expectFault('drop', { lost: 1, doubled: 0, out_of_order: 0 })
  })

  test('fails when one publication comes twice', async () => {
    await expectFault('repeat', { lost: 0, doubled: 1, out_of_order: 0 })
  })

  test('fails when two publications change places', async () => {
    await expectFault('swap', { lost: 0, doubled: 0, out_of_order: 1 })
  })

  test('fails when some clients come to no end', async () => {
    const { code, report, said } = await through('garble', { CONNECTIONS_PER_VU: CONNECTIONS / 2 })
    assert.equal(code, CROSSED, said)
    assert.deepEqual(missed(report), ['fanfare_concluded'])
  })

  test('ends at once when the key is another', async () => {
    const { code, said } = await k6('key', node.url, { FANFARE_API_KEY: 'another-key' })
    assert.equal(code, ABORTED, said)
    assert.match(said, /the server API does not answer: .* 401 .*FANFARE_API_KEY/)
  })

  test('ends at once when clients may not subscribe', async () => {
    const { code, said } = await k6('refused', node.url, { NAMESPACE: 'unknown' })
    assert.equal(code, ABORTED, said)
    assert.match(said, /refused with 102 unknown channel/)
  })

  test('ends at once when tokens are signed with another secret', async () => {
    const { code, said } = await k6('foreign', node.url, { FANFARE_HMAC_SECRET: 'another-secret-of-over-32-bytes-!!' })
    assert.equal(code, ABORTED, said)
    assert.match(said, /sent away for good: .*3500/)
  })
})

describe('publishers', { concurrency: 2 }, () => {
  test('begin at one address each', async () => {
    const apis = await Promise.all([startApi(), startApi()])
    const { code, said } = await k6('spread', node.url, { CHANNELS: 2, PUBLISHERS: 2, FANFARE_PUBLISH_URL: urlsOf(apis) })
    await Promise.all(apis.map(api => api.stop()))
    assert.equal(code, PASSED, said)
    assert.deepEqual(apis.map(({ publishes }) => publishes), [PUBLICATIONS / 2, PUBLICATIONS / 2])
  })

  test('leave an address that fails', async () => {
    const apis = await Promise.all([startApi({ isPublishing: false }), startApi()])
    const more = { PUBLISHERS: 1, SUBSCRIPTIONS: 1, FANFARE_PUBLISH_URL: urlsOf(apis) }
    const { code, said } = await k6('moved', node.url, more, 'soak')
    await Promise.all(apis.map(api => api.stop()))
    assert.equal(code, PASSED, said)
    assert.deepEqual(apis.map(({ publishes }) => publishes), [1, PUBLICATIONS])
  })
})

describe('slow readers', { concurrency: 2 }, () => {
  test('pass when each is closed as slow', async () => {
    const { code, report, said } = await slowReaders('slow', { DURATION: '4s' }, {
      'client.outbox_size': '256KiB', 'client.publication_size': '32KiB', 'api.publication_size': '32KiB'
    })
    assert.equal(code, PASSED, said)
    assert.equal(report.counts.slow_closed, 2)
  })

  test('fail when nobody is slow, and stay connected as long as they read', async () => {
    const { code, report, said } = await slowReaders('quick', { DURATION: '5s', RATE: 2, PAYLOAD: 128 }, {
      'client.ping_interval': '2s', 'client.pong_timeout': '1s'
    })
    assert.equal(code, CROSSED, said)
    assert.deepEqual(missed(report), ['fanfare_slow_closed'])
    assert.equal(report.counts.slow_closed, 0)
    assert.doesNotMatch(said, /a slow reader ends/)
  })
})

describe('what is there', { concurrency: 2 }, () => {
  for (const script of readdirSync(join(LOADTEST, 'scenarios')).filter(name => name.endsWith('.js'))) {
    test(`${script} can be loaded`, async () => {
      const { code, said } = await run(['inspect', '--include-system-env-vars', join(LOADTEST, 'scenarios', script)], settings(node.url))
      assert.equal(code, 0, said)
    })
  }

  for (const [scenario, name, value] of UNFIT) {
    test(`${scenario} refuses ${name}=${value}`, async () => {
      const script = join(LOADTEST, 'scenarios', `${scenario}.js`)
      const { code, said } = await run(['inspect', '--include-system-env-vars', script], { ...settings(node.url), [name]: value })
      assert.notEqual(code, 0)
      assert.match(said, new RegExp(`${name} is (${value}: give|not set: see) `))
    })
  }

  test('the Job gets every script', () => {
    for (const part of ['lib', 'scenarios']) {
      const listed = readFileSync(join(LOADTEST, part, 'kustomization.yaml'), 'utf8').match(/[\w-]+\.js/g).sort()
      const there = readdirSync(join(LOADTEST, part)).filter(name => name.endsWith('.js')).sort()
      assert.deepEqual(listed, there)
    }
  })
})

async function expectFault(fault, expected) {
  const { code, report, said } = await through(fault)
  assert.equal(code, CROSSED, said)
  assert.deepEqual(faults(report), expected)
  assert.equal(report.passed, false)
  assert.deepEqual(missed(report), Object.keys(expected).filter(name => expected[name] > 0).map(name => `fanfare_${name}`))
}

const missed = ({ objectives }) => objectives.filter(({ ok }) => !ok).map(({ metric }) => metric)
const faults = ({ counts: { lost, doubled, out_of_order } }) => ({ lost, doubled, out_of_order })

async function through(fault, more) {
  const proxy = await startProxy(node.public, fault)
  const outcome = await k6(fault, proxy.url, more)
  proxy.stop()
  assert.ok(proxy.victim, `no publication came by:\n${outcome.said}`)
  return outcome
}

/** Slow readers in small, before a node of their own. */
async function slowReaders(name, size, settings) {
  const own = await startNode(settings, ['--config', join(LOADTEST, 'namespaces.toml')])
  const usual = { CONNECTIONS: 4, SLOW: 2, RATE: 30, PAYLOAD: 16_384, FANFARE_PUBLISH_URL: `http://${own.internal}` }
  const outcome = await k6(name, own.url, { ...usual, ...size }, 'slow-readers')
  await own.stop()
  return outcome
}

/** A scenario in small, with a directory of its own for the report. */
async function k6(name, url, more = {}, scenario = 'fan-out') {
  const reports = join(directory, name)
  mkdirSync(reports)
  const size = { CONNECTIONS, CHANNELS: 1, RATE: 20, DURATION: `${PUBLICATIONS / 20}s`, RAMP: '0' }
  const patience = { SLO_DELIVERY_P99_MS: 30_000, SLO_CONNECT_P99_MS: 30_000 }
  const outcome = await run(['run', '-q', '--address', '', join(LOADTEST, `scenarios/${scenario}.js`)], {
    ...settings(url), ...size, ...patience, REPORT_DIR: reports, ...more
  })
  const path = join(reports, `${scenario}.json`)
  return { ...outcome, report: existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined }
}

const settings = url => ({
  FANFARE_URL: url, FANFARE_PUBLISH_URL: `http://${node.internal}`, FANFARE_API_KEY: API_KEY, FANFARE_HMAC_SECRET: SECRET
})

function run(flags, variables) {
  const env = { ...process.env, ...Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, String(value)])) }
  return new Promise(resolve => {
    execFile(process.env.K6, flags, { env, timeout: RUN_MS_MAX }, (error, output, errors) => {
      resolve({ code: error ? error.code ?? error.signal : 0, said: `${output}${errors}` })
    })
  })
}

const urlsOf = apis => apis.map(({ url }) => url).join()

/** Passes the server API on to the node, and counts what is published. With `isPublishing` false, it refuses that. */
async function startApi({ isPublishing = true } = {}) {
  const api = { publishes: 0 }
  const server = createServer(async (request, response) => {
    const { url, method, headers } = request
    api.publishes += url === '/api/publish'
    if (url === '/api/publish' && !isPublishing) {
      response.writeHead(503).end()
      return
    }
    const [body] = await request.toArray()
    const answer = await fetch(`http://${node.internal}${url}`, { method, headers: { 'X-API-Key': headers['x-api-key'] }, body })
    response.writeHead(answer.status).end(await answer.text())
  })
  api.url = await listening(server)
  api.stop = () => closed(server)
  return api
}

/** Takes what is written to Prometheus, and counts it. */
async function startStore() {
  const store = { writes: 0 }
  const server = createServer((request, response) => {
    const isWrite = request.url === '/api/v1/write' && request.headers['content-encoding'] === 'snappy'
    request.resume().on('end', () => {
      if (isWrite) store.writes++
      response.writeHead(isWrite ? 204 : 400).end()
    })
  })
  const url = await listening(server)
  store.settings = { K6_PROMETHEUS_RW_SERVER_URL: `${url}/api/v1/write`, K6_PROMETHEUS_RW_PUSH_INTERVAL: '1s' }
  store.stop = () => closed(server)
  return store
}

async function listening(server) {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${server.address().port}`
}

const closed = server => new Promise(resolve => { server.close(resolve); server.closeAllConnections() })
