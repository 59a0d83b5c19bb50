// What a newcomer does: start the node in development mode, open what it prints in two tabs, run what it prints.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { promisify } from 'node:util'

import { chromium } from 'playwright-core'

import { startBrowser } from '../fixture/browser.mjs'
import { eventually, freePort, startNode } from '../fixture/node.mjs'

const run = promisify(execFile)

let node, browser, printed
before(async () => {
  node = await startNode({
    'public.address': `localhost:${await freePort()}`,
    'internal.address': `localhost:${await freePort()}`,
    'token.hmac_secret': undefined,
    'api.key': undefined,
    'drain.delay': undefined,
    'drain.window': undefined
  }, ['--dev'])
  printed = await eventually(() => welcome(node.output), 'the node says what to do next')
  browser = await startBrowser(chromium)
})
after(async () => {
  await browser?.close()
  if (!node) return
  node.kill('SIGINT')
  const { code, signal } = await node.ended
  assert.equal(code, 0, `Ctrl-C in development mode: ${signal}`)
})
beforeEach(() => {
  browser.seen.hosts.clear()
  browser.seen.complaints.length = 0
})

test('two tabs chat, and curl reaches both', async () => {
  const [first, second] = [await openChat(), await openChat()]

  await say(first, 'Hello from the first tab')
  await hears(first, 'You', 'Hello from the first tab')
  await hears(second, 'alice', 'Hello from the first tab')
  await say(second, 'And <b>hello</b> from the second')
  await hears(second, 'You', 'And <b>hello</b> from the second')
  await hears(first, 'alice', 'And <b>hello</b> from the second')

  await run('bash', ['-c', printed.publish], { timeout: 10_000 })
  for (const page of [first, second]) await hears(page, 'Server', 'Hello from curl')

  const picture = join(await mkdtemp(join(tmpdir(), 'fanfare-demo-')), 'chat.png')
  await first.screenshot({ path: picture })
  console.log(`screenshot: ${picture}`)
  const { host, hostname } = new URL(printed.chat)
  const publicPort = new URL(printed.clients).port
  assert.deepEqual([...browser.seen.hosts].sort(), [host, `${hostname}:${publicPort}`].sort())
  assert.deepEqual(browser.seen.complaints, [])
  await Promise.all([first.close(), second.close()])
})

test('the token of another user is there to paste', async () => {
  const [alice, bob] = [await openChat(), await browser.context.newPage()]
  await bob.goto(printed.chat.split('#')[0])
  await bob.locator('#token').fill(printed.token)
  await bob.locator('#token').press('Enter')
  await isConnected(bob)
  await say(bob, 'It is Bob')
  await hears(alice, 'bob', 'It is Bob')
  await Promise.all([alice.close(), bob.close()])
})

test('a page that lost its connection comes back when the network does', async () => {
  const page = await openChat()
  await browser.context.setOffline(true)
  await run('bash', ['-c', inShell('disconnect', { user: 'alice', disconnect: { code: 4000, reason: 'try again' } })])
  await page.locator('#status', { hasText: 'Reconnecting' }).waitFor()
  await browser.context.setOffline(false)
  await isConnected(page)
  await say(page, 'Back again')
  await hears(page, 'You', 'Back again')
  await page.close()
})

test('a page whose token is not believed says so and stops', async () => {
  const page = await browser.context.newPage()
  await page.goto(`${printed.chat.split('#')[0]}#token=nonsense`)
  await page.locator('#status', { hasText: '3500 invalid token' }).waitFor()
  assert.ok(await page.locator('#token').isVisible())
  await page.close()
})

test('the page may run nothing else and connect nowhere else', async () => {
  const page = await openChat()
  const refused = await page.evaluate(async elsewhere => {
    const violations = []
    document.addEventListener('securitypolicyviolation', event => violations.push(event.effectiveDirective))
    await fetch(elsewhere).catch(() => {})
    try { new WebSocket(elsewhere.replace('http', 'ws')) } catch { /* Some browsers throw, all report. */ }
    const script = document.createElement('script')
    script.textContent = 'window.intruder = true'
    document.body.append(script)
    const image = document.createElement('img')
    image.src = elsewhere
    document.body.append(image)
    await new Promise(resolve => setTimeout(resolve, 300))
    return { violations: violations.sort(), intruder: window.intruder }
  }, 'http://127.0.0.1:1/')
  assert.deepEqual(refused, {
    violations: ['connect-src', 'connect-src', 'img-src', 'script-src-elem'],
    intruder: undefined
  })
  await page.close()
})

async function openChat() {
  const page = await browser.context.newPage()
  await page.goto(printed.chat)
  await isConnected(page)
  return page
}

async function isConnected(page) {
  await page.locator('#status', { hasText: /^Connected$/ }).waitFor()
}

async function say(page, text) {
  await page.locator('#text').fill(text)
  await page.locator('#text').press('Enter')
}

async function hears(page, who, text) {
  await page.locator('#log li').filter({ hasText: text }).filter({ has: page.getByText(who, { exact: true }) }).waitFor()
}

/** The printed curl line, for another method. */
function inShell(method, request) {
  const line = printed.publish.replace('/api/publish', `/api/${method}`)
  return line.replace(/-d '.*'/, `-d '${JSON.stringify(request)}'`)
}

/** What the node prints in development mode, as far as it is there already. */
function welcome(text) {
  const value = name => text.match(new RegExp(`^${name} +(\\S.*)$`, 'm'))?.[1]
  const found = { clients: value('clients'), chat: value('chat'), token: value('token'), publish: value('publish') }
  return Object.values(found).every(Boolean) && found
}
