// `fanfare bench` against a real node, small: every workload ends well and reports a figure. What the figures are is
// not looked at; docs/benchmarks.md is made on a quiet machine.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'

import { API_KEY, SECRET, startNode } from '../fixture/node.mjs'

const SMALL = [
  '--window', '50', '--repeats', '2', '--pairs', '2', '--connections', '500', '--warm-up', '100', '--messages', '10',
  '--settle', '500ms', '--establish', '200', '--receivers', '50', '--fanout-phase', '300ms', '--rate-phase', '500ms',
  '--publishers', '8', '--subscribers', '50', '--publish-phase', '500ms', '--unicast-rate', '200'
]
const WORKLOADS = ['memory', 'connect', 'fanout', 'rate', 'publish', 'unicast']

test('every workload reports figures', async () => {
  const node = await startNode({ 'channels.client_subscribe': true, 'client.command_rate': 10_000 })
  const directory = await mkdtemp(join(tmpdir(), 'fanfare-bench-'))
  const report = join(directory, 'report.json')
  const env = { ...process.env, FANFARE__API__KEY: API_KEY, FANFARE__TOKEN__HMAC_SECRET: SECRET }
  try {
    for (const workload of WORKLOADS) {
      const target = ['--pid', node.child.pid, '--servers', node.public, '--api', node.internal, '--json', report]
      const { stdout } = await promisify(execFile)(
        process.env.FANFARE_BIN, ['bench', workload, ...target, ...SMALL], { env, timeout: 150_000 }
      )
      const { rows } = JSON.parse(await readFile(report, 'utf8'))
      assert.ok(rows.length > 0, `${workload}: no figure\n${stdout}`)
      for (const row of rows) assert.ok(Number.isFinite(row.node.median), `${workload}: ${JSON.stringify(row)}`)
      console.log(`${workload}: ${rows.length} figures`)
    }
  } finally {
    await rm(directory, { recursive: true, force: true })
    await node.stop()
  }
})

test('nodes that share a Redis are measured, and account for every publication', { timeout: 180_000 }, async () => {
  const directory = await mkdtemp(join(tmpdir(), 'fanfare-bench-'))
  const report = join(directory, 'figures.json')
  const env = { ...process.env, SMALL: '1', JSON: report }
  try {
    const script = join(import.meta.dirname, 'cluster.mjs')
    await promisify(execFile)(process.execPath, [script, 'outage', 'account'], { env, timeout: 60_000 })
    const figures = JSON.parse(await readFile(report, 'utf8'))
    const counts = figures.filter(({ unit, target }) => unit === '' && target === 0)
    assert.ok(counts.length >= 6, JSON.stringify(figures))
    for (const figure of counts) assert.ok(figure.is_met, JSON.stringify(figure))
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
})
