// The cluster to play with, started as `make cluster` starts it, used as it says.

import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import { subscribe } from '../fixture/cli.mjs'
import { API_KEY, eventually, freePort } from '../fixture/node.mjs'

const run = promisify(execFile)
const SCRIPT = join(dirname(fileURLToPath(import.meta.url)), 'up.sh')

test('what is published at one node, or in Redis, is heard at the other', async () => {
  const ports = await Promise.all(Array.from({ length: 5 }, freePort))
  const [, clients1, internal1, clients2, internal2] = ports
  const env = { ...process.env, PORTS: ports.join(' '), FANFARE__API__KEY: API_KEY }
  const up = spawn(SCRIPT, { env, stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise(resolve => up.once('close', resolve))
  process.once('exit', () => up.kill())
  try {
    let text = ''
    up.stdout.on('data', part => { text += part })
    await eventually(() => text.includes('\nredis '), 'the cluster is up', 40_000)

    const said = name => text.match(new RegExp(`^${name} +(.*)$`, 'm'))[1]
    for (const name of ['node 1', 'node 2']) assert.equal((await fetch(said(name))).status, 200, name)
    const token = said('token')
    assert.ok(said('node 2').endsWith(token))

    const at = port => `ws://localhost:${port}/connection/websocket`
    const here = await subscribe(at(clients1), token, ['chat'], 3)
    const there = await subscribe(at(clients2), token, ['chat'], 3)
    await publish(internal1, '"at 1"')
    await eventually(() => there.heard.length === 1, 'node 2 has heard node 1')
    await publish(internal2, '"at 2"')
    await eventually(() => here.heard.length === 2, 'node 1 has heard node 2')
    await run('bash', ['-euc', said('redis')])
    for (const { all } of [here, there]) {
      assert.deepEqual((await all()).map(({ data }) => data), ['at 1', 'at 2', { text: 'Hello from Redis' }])
    }
  } finally {
    up.kill('SIGINT')
  }
  assert.equal(await ended, 0)
  for (const port of [internal1, internal2]) await assert.rejects(fetch(`http://localhost:${port}/livez`))
})

function publish(port, payload) {
  const env = { ...process.env, FANFARE__API__KEY: API_KEY }
  return run(process.env.FANFARE_BIN, ['publish', 'chat', payload, '--url', `http://localhost:${port}`], { env })
}
