// compose.yaml and the Dockerfile, as far as they can be judged without a container engine.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { promisify } from 'node:util'

const run = promisify(execFile)
const read = name => readFile(new URL(`../../${name}`, import.meta.url), 'utf8')

test('the nodes of compose.yaml start with the settings that it gives them', async () => {
  const compose = await read('compose.yaml')
  const settings = /^ +(FANFARE__\w+): (.*)$/gm
  const [, shared] = compose.match(/^x-settings: .*\n((?: .*\n)+)/m)
  for (const node of ['node-1', 'node-2']) {
    const [, own] = compose.match(new RegExp(`^  ${node}:\\n((?:    .*\\n)+)`, 'm'))
    const given = [...shared.matchAll(settings), ...own.matchAll(settings)]
    assert.equal(given.length, 9)
    const env = Object.fromEntries(given.map(([, name, value]) => [name, value.replace(/^"(.*)"$/, '$1')]))
    const { stdout, stderr } = await run(process.env.FANFARE_BIN, ['check-config'], { env })
    for (const name of Object.keys(env)) assert.ok(stdout.includes(name), `${name} is in effect`)
    assert.doesNotMatch(stderr, /error/)
    for (const address of [env.FANFARE__PUBLIC__ADDRESS, env.FANFARE__INTERNAL__ADDRESS]) {
      const port = address.split(':')[1]
      assert.ok(own.includes(`127.0.0.1:${port}:${port}`), 'the demo page finds the port of clients')
    }
    assert.ok(env.FANFARE__ALLOWED_ORIGINS.includes(env.FANFARE__INTERNAL__ADDRESS.replace('0.0.0.0', 'localhost')))
    assert.ok(compose.includes(`${node}:${env.FANFARE__INTERNAL__ADDRESS.split(':')[1]}"`), 'Prometheus finds it')
  }
})

test('the image is built by the toolchain that is pinned', async () => {
  const [, version] = (await read('rust-toolchain.toml')).match(/^channel = "(.*)"$/m)
  assert.ok((await read('Dockerfile')).includes(`FROM docker.io/library/rust:${version}-`))
})
