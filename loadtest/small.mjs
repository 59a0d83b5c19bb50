// Every scenario in small: shows that they work, and that two nodes of this machine lose nothing. Times are not judged.

import { spawn } from 'node:child_process'
import { once } from 'node:events'

import { API_KEY, SECRET, eventually, freePort, startNode } from '../conformance/fixture/node.mjs'
import { startRedis } from '../conformance/fixture/redis.mjs'

const SCENARIO_MS_MAX = 90_000
const PATIENT = {
  SLO_DELIVERY_P99_MS: 10_000, SLO_CONNECT_P99_MS: 10_000, SLO_AWAY_P99_MS: 20_000, SLO_PRESENCE_P99_MS: 10_000
}
const SIZES = {
  'connect-storm': { CONNECTIONS: 300, DURATION: '6s', RAMP: '1s' },
  'fan-out': { CONNECTIONS: 200, DURATION: '6s', RAMP: '1s' },
  'unicast': { CONNECTIONS: 200, DURATION: '6s', RAMP: '1s', RATE: 100 },
  'presence-churn': { CHANNELS: 4, MEMBERS: 10, DURATION: '8s', LIFETIME: '2s' },
  'slow-readers': { CONNECTIONS: 10, SLOW: 2, DURATION: '10s', RAMP: '500ms' },
  'rolling-drain': { CONNECTIONS: 100, DURATION: '12s', RAMP: '1s', RECONNECTS_MIN: 100 },
  'soak': { CONNECTIONS: 100, DURATION: '10s', RAMP: '1s', LIFETIME: '4s' }
}

const chosen = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(SIZES)
for (const name of chosen) if (!SIZES[name]) throw new Error(`${name} is none of ${Object.keys(SIZES).join(', ')}`)

const redis = await startRedis()
const places = await Promise.all([place(1), place(2)])
const nodes = await Promise.all(places.map(start))
const failed = []
for (const name of chosen) {
  const run = k6(name)
  if (name === 'rolling-drain') await replaceAll()
  const code = await run
  if (code !== 0) failed.push(`${name} (${code})`)
}
await Promise.all(nodes.map(node => node.stop()))
await redis.stop()
if (failed.length > 0) console.error(`failed: ${failed.join(', ')}`)
process.exitCode = failed.length > 0 ? 1 : 0

/** Addresses that outlive the node that has them. */
async function place(nth) {
  return { 'public.address': `127.0.0.${nth}:${await freePort()}`, 'internal.address': `127.0.0.${nth}:${await freePort()}` }
}

function start(place) {
  const settings = { ...place, 'redis.url': redis.url, 'drain.delay': '200ms', 'drain.window': '1s' }
  return startNode(settings, ['--config', new URL('namespaces.toml', import.meta.url).pathname])
}

/** One node after the other, while there is a publication now and then. */
async function replaceAll() {
  const published = () => nodes[0].metric('fanfare_publications_total')
  const before = await published()
  await eventually(async () => await published() > before, 'something is published', 30_000)
  for (const nth of places.keys()) {
    await nodes[nth].stop()
    nodes[nth] = await start(places[nth])
  }
}

async function k6(name) {
  const env = {
    ...process.env,
    ...PATIENT,
    ...SIZES[name],
    FANFARE_URL: nodes.map(node => node.url).join(),
    FANFARE_PUBLISH_URL: nodes.map(node => `http://${node.internal}`).join(),
    FANFARE_API_KEY: API_KEY,
    FANFARE_HMAC_SECRET: SECRET
  }
  const child = spawn(process.env.K6, ['run', '-q', '--address', '', `scenarios/${name}.js`], {
    env, stdio: ['ignore', 'inherit', 'inherit'], timeout: SCENARIO_MS_MAX
  })
  const end = () => child.kill('SIGKILL')
  process.once('exit', end)
  const [code, signal] = await once(child, 'close')
  process.off('exit', end)
  return code ?? signal
}
