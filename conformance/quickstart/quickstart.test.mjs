// The quickstart page, followed step by step: its files are written as they stand there, its commands run as they
// stand there. Only ports are others, and the packages are installed beforehand.

import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import { chromium } from 'playwright-core'

import { startBrowser } from '../fixture/browser.mjs'
import { eventually, freePort, startNode } from '../fixture/node.mjs'

const run = promisify(execFile)
const HERE = dirname(fileURLToPath(import.meta.url))
const LINES_MAX = 60

const page = await readFile(join(HERE, '../../docs/quickstart.md'), 'utf8')
const blocks = [...page.matchAll(/(?:`([\w.]+)`:\n\n)?```(\w+)\n([^]*?)```/g)]
  .map(([, file, kind, text]) => ({ file, kind, text }))
const files = blocks.filter(({ file }) => file)
const commands = blocks.filter(({ kind }) => kind === 'sh').map(({ text }) => text.trim())

const children = new Set()
process.on('exit', () => children.forEach(child => child.kill('SIGKILL')))

const directory = await mkdtemp(join(tmpdir(), 'fanfare-quickstart-'))
after(() => rm(directory, { recursive: true, force: true }))
for (const { file, text } of files) await writeFile(join(directory, file), text)
await symlink(join(HERE, 'node_modules'), join(directory, 'node_modules'))

test('the packages to install are those that are tested', async () => {
  const { dependencies } = JSON.parse(await readFile(join(HERE, 'package.json'), 'utf8'))
  const requirements = await readFile(join(HERE, 'requirements.txt'), 'utf8')
  const named = tool => commands.flatMap(text => text.split('\n'))
    .filter(line => line.startsWith(`${tool} install`)).flatMap(line => line.split(' ').slice(2))
  assert.deepEqual(new Set(named('npm')), new Set(['centrifuge', 'jsonwebtoken']))
  assert.deepEqual(new Set(named('pip')), new Set(['cent', 'PyJWT']))
  for (const name of named('npm')) assert.ok(dependencies[name], name)
  for (const name of named('pip')) assert.ok(requirements.includes(`\n${name}==`), name)
})

test('the files of one language are short', () => {
  for (const extension of ['mjs', 'py']) {
    const chosen = files.filter(({ file }) => file === 'index.html' || file.endsWith(extension))
    assert.equal(chosen.length, 3)
    const lines = chosen.reduce((sum, { text }) => sum + text.trimEnd().split('\n').length, 0)
    console.log(`${extension}: ${lines} lines`)
    assert.ok(lines <= LINES_MAX, `${extension}: ${lines} lines, at most ${LINES_MAX}`)
  }
})

for (const [language, program] of [['Node', 'node'], ['Python', 'python']]) {
  test(`alice is notified, and bob's notifications are not hers: ${language}`, async () => {
    await shell(command('cat > env.sh'))
    const shared = await shell('. ./env.sh && env -0')
    const settings = shared.split('\0').filter(line => line.startsWith('FANFARE__')).map(line => line.split(/=(.*)/s))
    assert.equal(settings.length, 3)
    const ports = { node: await freePort(), api: await freePort(), backend: await freePort() }
    const node = await startNode({
      'token.hmac_secret': undefined,
      'api.key': undefined,
      ...Object.fromEntries(settings.map(([name, value]) => [name.slice('FANFARE__'.length), value])),
      'public.address': `localhost:${ports.node}`,
      'internal.address': `localhost:${ports.api}`
    })
    const env = { PORT: ports.backend, API: `http://localhost:${ports.api}/api` }
    const backend = start(command(`. ./env.sh && ${program} server`), env)
    const rules = [[8000, ports.node], [3000, ports.backend]].map(([from, to]) => `MAP localhost:${from} localhost:${to}`)
    const browser = await startBrowser(chromium, [`--host-resolver-rules=${rules.join(',')}`])
    try {
      await eventually(() => fetch(`http://localhost:${ports.backend}/`).then(({ ok }) => ok, () => false), 'a backend')
      const alice = await browser.context.newPage()
      await alice.goto('http://localhost:3000/')
      const subscriptions = async () => (await api(ports.api, settings, 'channels')).channels['#alice']?.num_clients
      await eventually(async () => await subscriptions() === 1, 'alice is subscribed')
      const notify = command(`. ./env.sh && ${program} notify`)
      await shell(notify.replace('alice', 'bob').replace('Your order', 'Another order'), env)
      await shell(notify, env)
      await alice.locator('#inbox li').first().waitFor()
      assert.deepEqual(await alice.locator('#inbox li').allTextContents(), ['Your order is on its way'])
      assert.deepEqual([...browser.seen.hosts].sort(), ['localhost:3000', 'localhost:8000'])
      assert.deepEqual(browser.seen.complaints, [])
    } finally {
      await browser.close()
      backend.kill('SIGKILL')
      children.delete(backend)
      await node.stop()
    }
  })
}

/** The page's one command that begins so. */
function command(beginning) {
  const found = commands.filter(text => text.startsWith(beginning))
  assert.equal(found.length, 1, beginning)
  return found[0]
}

function environment(more) {
  const foreign = Object.entries(process.env).filter(([name]) => !name.startsWith('FANFARE__'))
  return { ...Object.fromEntries(foreign), ...more, PATH: `${dirname(process.env.PYTHON)}:${process.env.PATH}` }
}

async function shell(text, env = {}) {
  const options = { cwd: directory, env: environment(env), timeout: 20_000 }
  return (await run('bash', ['-euc', text], options)).stdout
}

/** Starts what runs until it is killed. `exec` makes its pid the shell's. */
function start(text, env) {
  const direct = text.replace('&& ', '&& exec ')
  const options = { cwd: directory, env: environment(env), stdio: ['ignore', 'inherit', 'inherit'] }
  const child = spawn('bash', ['-euc', direct], options)
  children.add(child)
  return child
}

async function api(port, settings, method) {
  const key = settings.find(([name]) => name === 'FANFARE__API__KEY')[1]
  const response = await fetch(`http://localhost:${port}/api/${method}`, {
    method: 'POST', headers: { 'X-API-Key': key }, body: '{}'
  })
  return (await response.json()).result
}
