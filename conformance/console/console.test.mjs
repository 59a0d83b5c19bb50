// What an operator does: open the console of one of two nodes, and look for what is there.

import assert from 'node:assert/strict'
import { dirname, join as path } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { chromium } from '../browser/node_modules/playwright-core/index.mjs'
import { startBrowser } from '../fixture/browser.mjs'
import { API_KEY, eventually, startNode } from '../fixture/node.mjs'
import { startRedis } from '../fixture/redis.mjs'
import { join } from './crowd.mjs'

const PICTURES = path(dirname(fileURLToPath(import.meta.url)), '../../docs/operate/images')
const HOSTILE = '<img src=x onerror="document.title=\'harmed\'">'
const PUBLISHER_KEY = 'a-key-that-publishes'
const VIEWER_KEY = 'a-key-that-looks'
const CHAT_KEY = 'a-key-of-one-namespace'
const SETTINGS = {
  'console.enabled': true,
  // The crowd answers no pings.
  'client.ping_interval': 0,
  'allowed_origins': '*',
  'channels.client_subscribe': true,
  'namespaces.chat.client_subscribe': true,
  'namespaces.scores.client_subscribe': true,
  'namespaces.user.client_subscribe': true,
  'namespaces.chat.presence': true,
  'namespaces.chat.history_size': 100,
  'namespaces.chat.history_ttl': '10m',
  'api.keys.publisher.key': PUBLISHER_KEY,
  'api.keys.publisher.allow.methods': 'publish',
  'api.keys.viewer.key': VIEWER_KEY,
  'api.keys.viewer.allow.methods': 'info',
  'api.keys.chat.key': CHAT_KEY,
  'api.keys.chat.allow.methods': 'info,channels,connections',
  'api.keys.chat.allow.namespaces': 'chat'
}

let redis, first, second, browser, page
before(async () => {
  redis = await startRedis()
  const settings = { ...SETTINGS, 'redis.url': redis.url }
  ;[first, second, browser] = await Promise.all([startNode(settings), startNode(settings), startBrowser(chromium)])
  page = await browser.context.newPage()
})
after(async () => {
  await browser?.close()
  await Promise.all([first?.stop(), second?.stop()])
  await redis?.stop()
})
beforeEach(() => {
  browser.seen.hosts.clear()
  browser.seen.complaints.length = 0
})

test('it is not there unless it is enabled', async () => {
  const plain = await startNode()
  assert.equal((await fetch(`http://${plain.internal}/console`)).status, 404)
  await plain.stop()
})

test('a key that may not look is told what is missing', async () => {
  await page.goto(`http://${first.internal}/console`)
  for (const [key, said] of [
    ['nonsense', 'The node does not know this key.'],
    ['schlüssel ☂', 'The node does not know this key.'],
    [PUBLISHER_KEY, 'The key `publisher` may not call info: see the setting api.keys.publisher.allow.methods.']
  ]) {
    await page.locator('#key').fill(key)
    await page.locator('#key').press('Enter')
    await page.locator('#refusal', { hasText: said }).waitFor()
    assert.ok(await page.locator('#console').isHidden())
  }
  await unlock(VIEWER_KEY)
  await says('#channels-notice', 'The key `viewer` may not call channels: see the setting api.keys.viewer.allow.methods.')
  await says('#connections-notice', 'The key `viewer` may not call connections')
  assert.ok(await page.locator('#nodes tr').count())
  await page.locator('#lock').click()

  await unlock(CHAT_KEY)
  await says('#connections-notice', 'The key `chat` may only ask by channel: see the setting api.keys.chat.allow.namespaces.')
  await page.locator('#lock').click()
})

test('nodes and connections are shown as they come and go', async () => {
  await unlock(API_KEY)
  await shows('#connections', '0')
  const users = ['alice', 'alice', 'bob'].map(user => join(first, user, ['news', 'chat:lobby']))
  const joined = await Promise.all(users)
  await shows('#connections', '3')
  await shows('#users', '2 users', /^on 2 nodes$/)
  await shows('#subscriptions', '6')
  await page.locator('#channels-list tr', { hasText: 'chat:lobby' }).filter({ hasText: '3' }).waitFor()
  joined.pop().leave()
  await shows('#connections', '2')

  joined.push(await join(second, 'carol', ['news']))
  await says('#status', 'Live, 2 nodes')
  assert.equal(await page.locator('#nodes tr').count(), 2)
  await shows('#connections', '3')
  await page.locator('#connections-list tr', { hasText: 'carol' }).waitFor()
  await publish(20)
  const delivered = page.locator('#latency-note', { hasText: /^\d+ deliver/ })
  await delivered.waitFor()
  assert.match(await page.locator('#p99').textContent(), /\d (µs|ms|s)$/)
  joined.forEach(client => client.leave())
  await shows('#connections', '0')
})

test('a user is found, and so are the channels of a connection and the connections of a channel', async () => {
  const joined = await Promise.all([
    join(first, 'alice', ['chat:lobby', 'news']), join(second, 'alice'), join(second, 'bob', ['chat:lobby'])
  ])
  await publish(3)
  await find('user', 'alice')
  await rows('#connections-list', 2)
  await find('user', 'nobody')
  await says('#connections-notice', 'No connection is like that.')
  await find('channel', 'chat:lobby')
  await rows('#connections-list', 2)
  await page.locator('#connections-list tr', { hasText: 'alice' }).getByRole('button').press('Enter')
  await says('#detail-facts', 'json over websocket')
  await rows('#detail-list', 2)
  await page.locator('#detail-list').getByRole('button', { name: 'chat:lobby' }).click()
  await says('#detail-facts', '2 connections of 2 users')
  await says('#detail-facts', /[1-9]\d* publications so far/)
  await rows('#detail-list', 2)
  await page.keyboard.press('Escape')
  await page.locator('#detail').waitFor({ state: 'hidden' })

  await page.locator('#pattern').fill('chat:*')
  await page.locator('#pattern').press('Enter')
  await rows('#channels-list', 1)
  await page.locator('#pattern').fill('nothing')
  await page.locator('#pattern').press('Enter')
  await says('#channels-notice', 'No channel is called like that.')
  await page.locator('#pattern').fill('')
  await page.locator('#pattern').press('Enter')
  await find('user', '')
  joined.forEach(client => client.leave())
})

test('more connections than a page holds are turned over', async () => {
  const joined = await Promise.all(Array.from({ length: 30 }, (_, index) => join([first, second][index % 2], `user${index}`)))
  await shows('#connections', '30')
  const names = async () => page.locator('#connections-list tr td:first-child').allTextContents()
  await rows('#connections-list', 25)
  const all = new Set(await names())
  await page.locator('#connections-pages').getByRole('button', { name: 'Next' }).click()
  await rows('#connections-list', 5)
  ;(await names()).forEach(name => all.add(name))
  assert.equal(all.size, 30)
  await page.locator('#connections-pages').getByRole('button', { name: 'Back' }).click()
  await rows('#connections-list', 25)
  joined.forEach(client => client.leave())
})

test('it fits a phone', async () => {
  const size = page.viewportSize()
  await page.setViewportSize({ width: 360, height: 740 })
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'the page does not scroll sideways')
  await page.setViewportSize(size)
})

test('what clients and channels are called harms nothing', async () => {
  const channel = '<b>bold</b><script>1</script>'
  const joined = await join(first, HOSTILE, [channel])
  await find('user', HOSTILE)
  const row = page.locator('#connections-list tr', { hasText: HOSTILE })
  await row.waitFor()
  await row.getByRole('button').click()
  await says('#detail-facts', HOSTILE)
  await page.locator('#detail-list').getByRole('button', { name: channel }).click()
  await says('#detail-title', channel)
  await page.locator('#detail-list tr', { hasText: HOSTILE }).waitFor()
  assert.equal(await page.locator('img, b').count(), 0)
  assert.equal(await page.title(), 'Fanfare console')
  await page.keyboard.press('Escape')
  await find('user', '')
  joined.leave()
})

test('the page runs nothing else, asks nobody else and keeps nothing', async () => {
  await eventually(() => browser.seen.hosts.size, 'it asks', 10_000)
  assert.deepEqual([...browser.seen.hosts], [first.internal])
  assert.deepEqual(browser.seen.complaints, [])
  const { headers } = await fetch(`http://${first.internal}/console`)
  assert.equal(headers.get('x-content-type-options'), 'nosniff')
  assert.equal(headers.get('referrer-policy'), 'no-referrer')
  assert.equal(headers.get('set-cookie'), null)
  const kept = await page.evaluate(async () => ({
    cookie: document.cookie, local: localStorage.length, session: sessionStorage.length,
    databases: (await indexedDB.databases()).length, address: location.href, typed: document.querySelector('#key').value
  }))
  assert.deepEqual(kept, { cookie: '', local: 0, session: 0, databases: 0, address: `http://${first.internal}/console`, typed: '' })
  assert.deepEqual(await browser.context.cookies(), [])
  const refused = await page.evaluate(async elsewhere => {
    const violations = []
    document.addEventListener('securitypolicyviolation', event => violations.push(event.effectiveDirective))
    await fetch(elsewhere).catch(() => {})
    try { document.body.innerHTML = '<b>markup</b>' } catch { violations.push('markup') }
    const image = document.createElement('img')
    image.src = elsewhere
    document.body.append(image)
    const frame = document.createElement('iframe')
    frame.src = elsewhere
    document.body.append(frame)
    await new Promise(resolve => setTimeout(resolve, 300))
    return [...new Set(violations)].sort()
  }, 'http://127.0.0.1:1/')
  assert.deepEqual(refused, ['connect-src', 'frame-src', 'img-src', 'markup', 'require-trusted-types-for'])
  await page.reload()
  assert.ok(await page.locator('#key').isVisible(), 'a reload forgets the key')
})

test('a key in the address is taken out of it', async () => {
  const other = await browser.context.newPage()
  await other.goto(`http://${second.internal}/console#key=${API_KEY}`)
  await other.locator('#status', { hasText: 'Live' }).waitFor()
  assert.equal(other.url(), `http://${second.internal}/console`)
  await other.close()
})

test('pictures', { skip: !process.env.UPDATE_SCREENSHOTS }, async () => {
  const names = 'ada alan barbara donald edsger frances grace hedy jean john katherine leslie margaret niklaus radia tony'
  const rooms = ['chat:lobby', 'chat:support', 'chat:team-red', 'news', 'scores:42', 'scores:43', 'prices', 'alerts']
  const joined = await Promise.all(Array.from({ length: 240 }, (_, index) => {
    const channels = rooms.filter((_, room) => (index * 7 + room * 5) % 11 < 9 - room)
    return join([first, second][index % 2], names.split(' ')[index * 5 % 16], [...channels, `user:${index}`])
  }))
  await page.setViewportSize({ width: 1280, height: 860 })
  await page.goto(`http://${first.internal}/console`)
  await unlock(API_KEY)
  await shows('#connections', '240')
  for (const end = Date.now() + 40_000; Date.now() < end;) {
    await publish(3 + Math.round(5 + 5 * Math.sin(Date.now() / 4000)))
    await new Promise(resolve => setTimeout(resolve, 400))
  }
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme })
    await page.screenshot({ path: path(PICTURES, `console-${colorScheme}.png`) })
  }
  joined.forEach(client => client.leave())
})

async function unlock(key) {
  await page.locator('#key').fill(key)
  await page.locator('#key').press('Enter')
  await page.locator('#status', { hasText: 'Live' }).waitFor()
}

async function find(by, value) {
  await page.locator('#by').selectOption(by)
  await page.locator('#wanted').fill(value)
  await page.locator('#wanted').press('Enter')
}

async function shows(place, ...texts) {
  const found = async () => {
    const text = await page.locator(place).textContent()
    return texts.some(wanted => wanted === text || (wanted instanceof RegExp && wanted.test(text)))
  }
  await eventually(found, `${place} shows ${texts}`, 15_000)
}

async function says(place, text) {
  await page.locator(place, { hasText: text }).first().waitFor({ timeout: 15_000 })
}

async function rows(place, count) {
  await eventually(async () => await page.locator(`${place} tr`).count() === count, `${place} has ${count} rows`, 15_000)
}

async function publish(count) {
  const commands = Array.from({ length: count }, (_, index) => {
    return { publish: { channel: ['chat:lobby', 'news'][index % 2], data: { index } } }
  })
  await first.api('batch', { commands })
}
