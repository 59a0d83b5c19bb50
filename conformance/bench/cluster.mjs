// Measures what nodes cost that share a Redis, and how soon they are whole again when it was away. Prints a table; the
// figures are written to the file in JSON=FILE, too. SMALL=1 shows only that it works.

import { writeFile } from 'node:fs/promises'

import { bench, startNodes, startRedis } from './servers.mjs'

const isSmall = Boolean(process.env.SMALL)
const PAIRS = isSmall ? 1 : 5
const PARTS = isSmall ? 2 : 4
const FANOUT = isSmall
  ? ['--receivers', 50, '--outstanding', '1', '--pairs', 1, '--fanout-phase', '300ms']
  : ['--receivers', 1000, '--outstanding', '1,4,16', '--pairs', 1, '--fanout-phase', '1s']
const UNICAST = isSmall
  ? ['--repeats', 1, '--subscribers', 50, '--publishers', 16, '--unicast-rate', 200, '--publish-phase', '500ms']
  : ['--repeats', 1, '--subscribers', 1000, '--publishers', 64, '--unicast-rate', 1000, '--publish-phase', '3s']
const ACCOUNT = isSmall
  ? ['--subscribers', 200, '--publishers', 8, '--unicast-rate', 100, '--publish-phase', '1s']
  : ['--subscribers', 12_500, '--publishers', 16, '--unicast-rate', 250, '--publish-phase', '60s']
const OUTAGE = isSmall
  ? ['--channels', 2000, '--kept', 200, '--unicast-rate', 500]
  : ['--channels', 100_000, '--kept', 10_000, '--unicast-rate', 2000]

const measurements = { fanout, nodes, outage, forgotten, latency, account }
const figures = []

/** CPU per delivery behind Redis, beside that of a node alone. */
async function fanout() {
  await withServers(async (redis, alone, [shared]) => {
    const publishers = [['--publisher', 'http'], ['--publisher', 'redis', '--redis', redis.address]]
    const ratios = await alternately(
      () => bench('fanout', [alone], [...FANOUT, ...publishers[0]]),
      () => bench('fanout', [shared], [...FANOUT, ...publishers[1]])
    )
    for (const { what, ratio } of ratios) report('fanout', `behind Redis beside memory: ${what}`, ratio, '×', 1.1)
  }, 1)
}

/** CPU per delivery of two nodes with half the subscribers each, beside that of one with all of them. */
async function nodes() {
  await withServers(async (redis, _, [one, ...two]) => {
    const flags = [...FANOUT, '--publisher', 'redis', '--redis', redis.address]
    const ratios = await alternately(() => bench('fanout', [one], flags), () => bench('fanout', two, flags))
    for (const { what, ratio } of ratios) report('nodes', `two nodes beside one: ${what}`, ratio, '×', 1.1)
  }, 3)
}

/** Redis with an AOF is killed and started again, for one node and for three. */
async function outage() {
  for (const count of isSmall ? [1, 2] : [1, 3]) {
    const redis = await startRedis({ keeps: true })
    const started = await startNodes(count, redis)
    take('outage', await bench('outage', started, [...OUTAGE, '--redis', redis.address, '--outage', redis.outage]))
    await Promise.all(started.map(node => node.stop()))
    redis.stop()
  }
}

/** Redis that keeps nothing is killed and started again. */
async function forgotten() {
  const redis = await startRedis()
  const started = await startNodes(1, redis)
  const flags = [...OUTAGE, '--forgets', '--redis', redis.address, '--outage', redis.outage]
  take('forgotten', await bench('outage', started, flags))
  await Promise.all(started.map(node => node.stop()))
  redis.stop()
}

/** Latency from a publish at one node to a socket of another, beside that of a node alone. */
async function latency() {
  await withServers(async (_, alone, [publisher, subscribers]) => {
    const added = { 'p50': [], 'p99': [] }
    for (let pair = 0; pair < PAIRS; pair++) {
      const base = await bench('unicast', [alone], UNICAST)
      const across = await bench('unicast', [subscribers], UNICAST, publisher)
      for (const part of Object.keys(added)) {
        const us = rows => rows.find(row => row.what === `publish to delivery ${part}`).node.median
        added[part].push((us(across) - us(base)) / 1000)
      }
    }
    report('latency', 'added from one node to another, p50', added.p50, 'ms')
    report('latency', 'added from one node to another, p99', added.p99, 'ms', 2)
  }, 2)
}

/** One publication to everybody, then unicasts, each published at another node than its subscriber's. */
async function account() {
  const redis = await startRedis()
  const started = await startNodes(PARTS, redis)
  const parts = started.map((node, nth) => bench('account', [node], [
    ...ACCOUNT, '--redis', redis.address, '--parts', PARTS, '--channel-prefix', `part-${nth}-`
  ], started[(nth + 1) % PARTS]))
  const rows = await Promise.all(parts)
  // A part that lost something, or got it twice, has failed: then there are no figures.
  const sum = what => rows.flat().filter(row => row.what.startsWith(what)).reduce((sum, row) => sum + row.node.median, 0)
  report('account', 'connections that got the publication to all, once', [sum('one publication to all')], '')
  report('account', 'unicasts delivered, once', [sum('unicasts, each')], '')
  report('account', 'unicasts per second', [sum('unicasts per second')], '1/s')
  const p99 = rows.flat().filter(row => row.what === 'publish to delivery p99').map(row => row.node.median / 1000)
  report('account', 'publish to delivery, p99 of each part', p99, 'ms')
  await Promise.all(started.map(node => node.stop()))
  redis.stop()
}

/** A Redis, a node without it, and so many with it. */
async function withServers(measure, count) {
  const redis = await startRedis()
  const [alone] = await startNodes(1)
  const shared = await startNodes(count, redis)
  await measure(redis, alone, shared)
  await Promise.all([alone, ...shared].map(node => node.stop()))
  redis.stop()
}

/** Both sides in turn, each first as often as the other; the second's CPU per delivery over the first's. */
async function alternately(first, second) {
  const ratios = new Map()
  for (let pair = 0; pair < PAIRS; pair++) {
    const sides = pair % 2 ? [await second(), await first()].reverse() : [await first(), await second()]
    const [base, other] = sides.map(rows => rows.filter(row => row.what.startsWith('CPU per delivery')))
    base.forEach((row, nth) => {
      const ratio = other[nth].node.median / row.node.median
      ratios.set(row.what, [...ratios.get(row.what) ?? [], ratio])
    })
  }
  return Array.from(ratios, ([what, ratio]) => ({ what: what.replace(/ beside.*B,/, ','), ratio }))
}

/** Figures of a bench as they are. */
function take(measurement, rows) {
  for (const { what, node, unit, target } of rows) report(measurement, what, [node.median], unit, target?.at_most)
}

function report(measurement, what, samples, unit, target) {
  const sorted = [...samples].sort((a, b) => a - b)
  const median = (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2
  const is_met = target === undefined ? undefined : median <= target
  figures.push({ measurement, what, median, min: sorted[0], max: sorted.at(-1), unit, target, is_met })
  const spread = sorted.length > 1 ? ` (${round(sorted[0])} to ${round(sorted.at(-1))})` : ''
  const aim = target === undefined ? '' : `, at most ${target}: ${is_met ? 'met' : 'MISSED'}`
  console.log(`${measurement.padEnd(10)}${`${round(median)} ${unit}${spread}`.padEnd(30)}${what}${aim}`)
}

const round = value => Number(value.toPrecision(4))

const chosen = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(measurements)
for (const name of chosen) {
  if (!measurements[name]) throw new Error(`${name} is none of ${Object.keys(measurements).join(', ')}`)
  await measurements[name]()
}
if (process.env.JSON) await writeFile(process.env.JSON, JSON.stringify(figures, null, 2))
