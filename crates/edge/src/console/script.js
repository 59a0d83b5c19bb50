'use strict'
// Asks the server API and reads metrics every other second while it is looked at, and shows what they say. Everything
// that is shown came from clients or nodes: it goes in as text, never as markup.

const PERIOD_MS = 2000
const ANSWER_MS_MAX = 10_000
const SAMPLES = 60
const LATENCY_SAMPLES = 16
const ROWS = 15
const CONNECTION_ROWS = 25
const REFUSED_MS = 30_000

const byId = id => document.getElementById(id)
const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const brief = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 })
const one = new Intl.NumberFormat('en', { maximumFractionDigits: 1 })
const rough = new Intl.NumberFormat('en', { maximumSignificantDigits: 2 })
const some = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 })

let key = ''
let timer, nodes = []

// The node

class Refused extends Error {}

async function call(method, parameters = {}) {
  const response = await ask(`api/${method}`, {
    method: 'POST',
    // A header carries bytes.
    headers: { 'X-API-Key': String.fromCharCode(...new TextEncoder().encode(key)), 'Content-Type': 'application/json' },
    body: JSON.stringify(parameters)
  })
  if (response.status === 401) throw new Refused('The node does not know this key.')
  const isJson = response.headers.get('content-type')?.startsWith('application/json')
  if (!isJson) throw new Refused(sentence(await response.text()))
  const answer = await response.json()
  const error = answer.error ?? (response.ok ? undefined : answer)
  if (error) throw Object.assign(new Refused(`${error.code}: ${error.message}`), { code: error.code })
  return answer.result
}

async function ask(path, options) {
  return fetch(path, { ...options, cache: 'no-store', credentials: 'omit', redirect: 'error', signal: AbortSignal.timeout(ANSWER_MS_MAX) })
}

/** A text of the node as it stands in the page. */
function sentence(text) {
  const trimmed = text.trim().slice(0, 300)
  return trimmed && trimmed[0].toUpperCase() + trimmed.slice(1) + '.'
}

// The door

byId('key-form').onsubmit = event => {
  event.preventDefault()
  unlock(byId('key').value.trim())
}
byId('lock').onclick = () => lock()

async function unlock(chosen) {
  key = chosen
  try {
    showNodes(await call('info'))
  } catch (error) {
    const isForbidden = error instanceof Refused && /may not call info/.test(error.message)
    lock(isForbidden ? `${error.message} The console needs “info” there.` : why(error))
    return
  }
  byId('key').value = ''
  byId('refusal').hidden = true
  byId('door').hidden = true
  byId('console').hidden = byId('lock').hidden = false
  beat()
}

function lock(reason = '') {
  key = ''
  clearTimeout(timer)
  lastSaid.clear()
  latency.length = 0
  panels.forEach(panel => panel.forget())
  byId('detail').close()
  byId('console').hidden = byId('lock').hidden = true
  byId('door').hidden = false
  byId('refusal').textContent = reason
  byId('refusal').hidden = !reason
  say('', 'Locked')
  byId('key').focus()
}

const why = error => error instanceof Refused ? error.message : 'The node does not answer.'

// The clock

async function beat() {
  clearTimeout(timer)
  if (!key) return
  if (!document.hidden) {
    const mine = key
    const outcomes = await Promise.allSettled([call('info').then(showNodes), showLatency(), ...panels.map(panel => panel.beat())])
    if (mine !== key) return
    const [{ reason }] = outcomes
    if (!reason) say('live', nodes.length === 1 ? 'Live' : `Live, ${nodes.length} nodes`)
    else if (/does not know this key/.test(reason.message)) return lock(reason.message)
    else say('late', why(reason))
  }
  clearTimeout(timer)
  timer = setTimeout(beat, PERIOD_MS)
}
document.onvisibilitychange = () => document.hidden || beat()

function say(phase, text) {
  if (byId('status').textContent === text) return
  byId('status').className = phase
  byId('status').textContent = text
}

// Nodes and totals

/** What each node said last and before that, by its uid; what all said together, at most so many times. */
const lastSaid = new Map()

function showNodes(result) {
  nodes = result.nodes
  const rated = nodes.map(node => ({ ...node, rates: rates(node) }))
  const isHere = new Set(nodes.map(node => node.uid))
  for (const uid of lastSaid.keys()) if (uid && !isHere.has(uid)) lastSaid.delete(uid)
  byId('nodes-count').textContent = nodes.length === 1 ? '' : whole.format(nodes.length)
  const most = Math.max(1, ...nodes.map(node => node.num_clients))
  fill(byId('nodes'), rated.slice(0, 200).map(node => ({
    id: node.uid,
    cells: [
      [named(node), node === rated[0] && nodes.length > 1 ? chip('this one') : ''],
      node.version,
      right(span(node.uptime)),
      right(share(node.num_clients / most), count(node.num_clients)),
      right(whole.format(node.num_subs)),
      right(whole.format(node.num_channels)),
      right(rate(node.rates?.publications)),
      right(rate(node.rates?.deliveries)),
      right(node.rates ? `${one.format(100 * node.rates.cpu)} %` : '–'),
      right(node.process ? bytes(node.process.rss) : '–')
    ]
  })))
  notice('nodes', nodes.length > 200 ? `The first 200 of ${whole.format(nodes.length)}.` : '')

  const sum = of => rated.reduce((total, node) => total + (of(node) || 0), 0)
  const now = {
    connections: sum(node => node.num_clients),
    subscriptions: sum(node => node.num_subs),
    publications: sum(node => node.rates?.publications),
    deliveries: sum(node => node.rates?.deliveries),
    connects: sum(node => node.rates?.connections)
  }
  const isRated = rated.some(node => node.rates)
  const line = lastSaid.get('') ?? []
  lastSaid.set('', line)
  line.push(now)
  if (line.length > SAMPLES) line.shift()
  const users = nodes.length === 1 ? `${whole.format(nodes[0].num_users)} users` : `on ${nodes.length} nodes`
  const each = now.connections && `${some.format(now.subscriptions / now.connections)} per connection`
  const total = name => brief.format(sum(node => node.totals?.[name]))
  tile('connections', whole.format(now.connections), 'users', users)
  tile('subscriptions', whole.format(now.subscriptions), 'subscriptions-each', each || '')
  tile('publications', isRated ? rate(now.publications) : '–', 'publications-total', `${total('publications')} since start`)
  tile('deliveries', isRated ? rate(now.deliveries) : '–', 'fanout', `${total('deliveries')} since start`)
  tile('connects', isRated ? rate(now.connects) : '–', 'connects-total', `${total('connections')} since start`)
  for (const name of Object.keys(now)) curve(byId(`${name}-line`), line.map(sample => sample[name]))
}

/** What a node does per second, by what it said of its totals at two times. */
function rates({ uid, totals, process }) {
  if (!totals) return undefined
  const sample = { ...totals, cpu: process?.cpu_ms ?? 0 }
  const known = lastSaid.get(uid)
  if (known && known.sample.uptime_ms === sample.uptime_ms) return known.rates
  const ms = known && sample.uptime_ms - known.sample.uptime_ms
  const since = name => Math.max(0, sample[name] - known.sample[name]) * 1000 / ms
  const rates = ms > 0
    ? { connections: since('connections'), publications: since('publications'), deliveries: since('deliveries'), cpu: since('cpu') / 1000 }
    : undefined
  lastSaid.set(uid, { sample, rates })
  return rates
}

function tile(figure, text, aside, more) {
  byId(figure).textContent = text
  byId(aside).textContent = more
}

const named = node => text('span', node.name, node.uid)
const nameOf = uid => nodes.find(node => node.uid === uid)?.name ?? uid

// Latency

/** Buckets of the histogram, as they were at the last looks. */
const latency = []

async function showLatency() {
  const response = await ask('metrics')
  if (!response.ok) return
  const buckets = new Map()
  for (const line of (await response.text()).split('\n')) {
    const [, labels, count] = line.match(/^fanfare_delivery_latency_seconds_bucket\{(.*)\} (\S+)$/) ?? []
    if (!labels?.includes('stage="total"')) continue
    const bound = labels.match(/le="([^"]+)"/)[1]
    buckets.set(bound === '+Inf' ? Infinity : Number(bound), Number(count))
  }
  // The node began anew.
  if (buckets.get(Infinity) < latency.at(-1)?.get(Infinity)) latency.length = 0
  latency.push(buckets)
  if (latency.length > LATENCY_SAMPLES) latency.shift()
  const before = latency[0]
  const bounds = [...buckets.keys()].sort((one, other) => one - other)
  const upTo = bounds.map(bound => buckets.get(bound) - (before.get(bound) ?? 0))
  const count = upTo.at(-1) ?? 0
  for (const [name, part] of [['p50', .5], ['p90', .9], ['p99', .99]]) {
    byId(name).textContent = count ? time(quantile(bounds, upTo, part * count)) : '–'
  }
  byId('latency-note').textContent = count ? `${brief.format(count)} deliveries` : 'No delivery'
  bars(byId('latency-bars'), upTo.map((total, index) => total - (upTo[index - 1] ?? 0)))
}

/** The value below which so many observations are, evenly spread within its bucket. */
function quantile(bounds, upTo, wanted) {
  const index = upTo.findIndex(total => total >= wanted)
  const [low, high] = [bounds[index - 1] ?? 0, bounds[index]]
  if (high === Infinity) return low
  const below = upTo[index - 1] ?? 0
  return low + (high - low) * (wanted - below) / (upTo[index] - below)
}

// Panels: each asks for one list, and less often when that takes long

class Panel {
  constructor(name, load) {
    Object.assign(this, { name, load, next: 0, turn: 0 })
  }

  /** Asks anew, unless it is too early. */
  async beat() {
    if (performance.now() < this.next) return
    await this.now()
  }

  async now() {
    const turn = ++this.turn, begun = performance.now()
    this.next = Infinity
    const outcome = await this.load(this).catch(error => () => this.fail(error))
    // What was asked for meanwhile counts.
    if (turn !== this.turn) return
    this.next = performance.now() + Math.max(0, 10 * (performance.now() - begun) - PERIOD_MS)
    if (key) outcome()
  }

  fail(error) {
    // Every refusal is a line in the node's log.
    if (error instanceof Refused) this.next = performance.now() + REFUSED_MS
    fill(byId(`${this.name}-list`), [])
    byId(`${this.name}-pages`).hidden = true
    notice(this.name, why(error), true)
  }

  forget() {
    this.turn++
    this.next = 0
    fill(byId(`${this.name}-list`), [])
    notice(this.name, '')
  }
}

let channelPage = 0
const channelsPanel = new Panel('channels', async () => {
  const result = await call('channels', { pattern: pattern() })
  return () => {
    const list = Object.entries(result.channels).map(([name, { num_clients }]) => ({ name, subscribers: num_clients }))
    list.sort((one, other) => other.subscribers - one.subscribers || (one.name < other.name ? -1 : 1))
    channelPage = Math.max(0, Math.min(channelPage, Math.ceil(list.length / ROWS) - 1))
    const first = channelPage * ROWS, shown = list.slice(first, first + ROWS), most = list[0]?.subscribers
    byId('channels-count').textContent = result.truncated ? `more than ${whole.format(list.length)}` : whole.format(list.length)
    fill(byId('channels-list'), shown.map(({ name, subscribers }) => ({
      id: name,
      cells: [link(name, () => openChannel(name), 'mono'), right(share(subscribers / most), count(subscribers))]
    })))
    const none = pattern() ? 'No channel is called like that.' : 'No channel has a subscriber.'
    notice('channels', list.length ? result.truncated ? 'There are more: filter by a narrower pattern.' : '' : none)
    pages('channels', channelPage > 0, first + ROWS < list.length, `${whole.format(first + 1)}–${whole.format(first + shown.length)} of ${whole.format(list.length)}`, shown.length)
  }
})
let channelPattern = ''
const pattern = () => channelPattern
byId('channels-form').onsubmit = event => {
  event.preventDefault()
  const typed = byId('pattern').value.trim()
  channelPattern = typed && !typed.includes('*') ? `*${typed}*` : typed
  channelPage = 0
  channelsPanel.now()
}
onPages('channels', step => {
  channelPage += step
  channelsPanel.now()
})

/** A list of connections, a page at a time. `query` tells which. */
class ConnectionPanel extends Panel {
  cursors = ['']

  constructor(name, query, row, none) {
    super(name, async () => {
      const parameters = query()
      if (!parameters) return () => {}
      const result = await call('connections', { ...parameters, limit: CONNECTION_ROWS, cursor: this.cursors.at(-1) })
      return () => this.show(Object.entries(result.connections), result.cursor, row, none)
    })
    onPages(name, step => {
      if (step < 0) this.cursors.pop()
      else this.cursors.push(this.following)
      this.now()
    })
  }

  begin() {
    this.cursors = ['']
    return this.now()
  }

  show(list, cursor, row, none) {
    this.following = cursor
    fill(byId(`${this.name}-list`), list.map(([id, connection]) => ({ id, cells: row(id, connection) })))
    notice(this.name, list.length ? '' : cursor ? 'None yet: there is more to look through on the next page.' : none())
    const isFirst = this.cursors.length === 1
    pages(this.name, !isFirst, Boolean(cursor), `Page ${this.cursors.length}`, !isFirst || cursor)
  }

  forget() {
    super.forget()
    this.cursors = ['']
  }
}

let wanted = {}
const connectionsPanel = new ConnectionPanel('connections', () => wanted, (id, connection) => [
  user(connection.user),
  link(id, () => openConnection(id, connection), 'mono'),
  nameOf(connection.node),
  right(ago(connection.connected_at)),
  right(whole.format(Object.keys(connection.state.channels).length))
], () => Object.keys(wanted).length ? 'No connection is like that.' : 'Nobody is connected.')
byId('connections-form').onsubmit = event => {
  event.preventDefault()
  const typed = byId('wanted').value
  wanted = typed ? { [byId('by').value]: typed } : {}
  connectionsPanel.begin()
}

// The sheet with one channel or one connection

let sheet
const detailPanel = new ConnectionPanel('detail', () => sheet?.query, (id, connection) => [
  user(connection.user),
  link(id, () => openConnection(id, connection), 'mono'),
  nameOf(connection.node),
  right(ago(connection.connected_at))
], () => 'No connection is subscribed.')
const factsPanel = { beat: async () => { if (sheet && !sheet.isRefused) await sheet.facts() }, forget: () => {} }
const panels = [channelsPanel, connectionsPanel, detailPanel, factsPanel]

function openSheet(kind, title, listTitle, heads, next) {
  sheet = next
  detailPanel.forget()
  byId('detail-kind').textContent = kind
  byId('detail-title').textContent = title
  byId('detail-list-title').textContent = listTitle
  byId('detail-head').replaceChildren(...heads.map((head, index) => text('th', head, '', index > 2 ? 'number' : '')))
  byId('detail-facts').replaceChildren()
  byId('detail-pages').hidden = true
  if (!byId('detail').open) byId('detail').showModal()
}

function openChannel(name) {
  const mine = {
    query: { channel: name },
    facts: async () => {
      const [presence, history] = await Promise.all([
        call('presence_stats', { channel: name }).then(
          ({ num_clients, num_users }) => `${whole.format(num_clients)} connections of ${whole.format(num_users)} users`,
          unless(mine, 'Not kept for this channel')
        ),
        call('history', { channel: name, limit: 0 }).then(
          ({ offset, epoch }) => `${whole.format(offset)} publications so far, epoch ${epoch}`,
          unless(mine, 'Not kept for this channel')
        )
      ])
      if (sheet === mine) facts({ Presence: presence, History: history })
    }
  }
  openSheet('Channel', name, 'Connections', ['User', 'Connection', 'Node', 'Since'], mine)
  facts({ Presence: '…', History: '…' })
  mine.facts()
  detailPanel.begin()
}

function openConnection(id, { user, node, transport, protocol, connected_at, state }) {
  openSheet('Connection', id, 'Subscribed to', ['Channel', 'Because of'], { facts: async () => {} })
  facts({
    User: user || 'None: anonymous',
    Node: nameOf(node),
    Speaks: `${protocol} over ${transport}`,
    Connected: `${new Date(connected_at * 1000).toLocaleString()}, ${ago(connected_at)} ago`
  })
  const reasons = new Map([[1, 'its token'], [10, 'the server API']])
  const list = Object.entries(state.channels).map(([name, { source }]) => ({
    id: name,
    cells: [link(name, () => openChannel(name), 'mono'), reasons.get(source) ?? 'its own wish']
  }))
  fill(byId('detail-list'), list)
  notice('detail', list.length ? '' : 'Nothing.')
}

/** What stands for a fact that the node does not tell. */
const unless = (sheet, missing) => error => {
  if (error.code === 108) return missing
  sheet.isRefused = error instanceof Refused
  return why(error)
}

function facts(pairs) {
  byId('detail-facts').replaceChildren(...Object.entries(pairs).flatMap(([name, value]) => [text('dt', name), text('dd', value)]))
}

byId('detail-close').onclick = () => byId('detail').close()
byId('detail').onclose = () => { sheet = undefined }
byId('detail').onclick = event => { if (event.target === byId('detail') && event.offsetX < 0) byId('detail').close() }

// Rows, pages, words

/** Makes the rows of a table these. A row that stays keeps its place in the document, and the focus. */
function fill(body, rows) {
  const known = new Map([...body.children].map(row => [row.dataset.id, row]))
  const active = document.activeElement
  const wanted = rows.map(({ id, cells }) => {
    const row = known.get(id) ?? document.createElement('tr')
    known.delete(id)
    row.dataset.id = id
    cells.forEach((cell, index) => place(row, index, cell))
    return row
  })
  known.forEach(row => row.remove())
  wanted.forEach((row, index) => {
    if (body.children[index] !== row) body.insertBefore(row, body.children[index] ?? null)
  })
  if (active !== document.activeElement && body.contains(active)) active.focus()
}

function place(row, index, cell) {
  const { items, className } = cell?.items ? cell : { items: [cell].flat(), className: '' }
  const old = row.children[index] ?? row.appendChild(document.createElement('td'))
  const isLink = items[0]?.tagName === 'BUTTON' && old.firstElementChild?.tagName === 'BUTTON'
  old.className = className
  if (!isLink) return old.replaceChildren(...items)
  old.firstElementChild.onclick = items[0].onclick
  old.firstElementChild.textContent = items[0].textContent
}

function text(tag, content, title = '', className = '') {
  const element = document.createElement(tag)
  element.textContent = content
  if (title) element.title = title
  if (className) element.className = className
  return element
}

function link(name, onclick, className) {
  const button = text('button', name, '', className)
  button.onclick = onclick
  return button
}

const chip = name => text('span', name, '', 'chip')
const count = number => text('span', whole.format(number), '', 'count')
const right = (...items) => ({ items, className: 'number' })
const user = name => name || text('small', 'anonymous')

function share(part) {
  const outer = text('span', '', '', 'share'), inner = document.createElement('i')
  inner.style.width = `${Math.round(100 * Math.min(1, part || 0))}%`
  outer.append(inner)
  outer.ariaHidden = 'true'
  return outer
}

function notice(panel, words, isBad = false) {
  const element = byId(`${panel}-notice`)
  if (element.textContent !== words) element.textContent = words
  element.hidden = !words
  element.classList.toggle('bad', isBad)
}

function pages(panel, hasBack, hasNext, words, isShown) {
  const [back, label, next] = byId(`${panel}-pages`).children
  back.disabled = !hasBack
  next.disabled = !hasNext
  label.textContent = words
  byId(`${panel}-pages`).hidden = !isShown
}

function onPages(panel, turn) {
  const [back, , next] = byId(`${panel}-pages`).children
  back.onclick = () => turn(-1)
  next.onclick = () => turn(1)
}

function span(seconds) {
  for (const [unit, length] of [['d', 86400], ['h', 3600], ['min', 60]]) {
    if (seconds >= length) return `${Math.floor(seconds / length)} ${unit}`
  }
  return `${Math.max(0, Math.floor(seconds))} s`
}

const ago = unix => span(Date.now() / 1000 - unix)
const rate = value => value === undefined ? '–' : value >= 100 ? whole.format(value) : some.format(value)

/** A time that was read off a histogram, and is no more exact than that. */
function time(seconds) {
  const [factor, unit] = seconds < .001 ? [1e6, 'µs'] : seconds < 1 ? [1e3, 'ms'] : [1, 's']
  return `${rough.format(seconds * factor)} ${unit}`
}

function bytes(count) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, count)) / 10))
  return `${some.format(count / 1024 ** power)} ${units[power]}`
}

// Drawings

const drawn = name => document.createElementNS('http://www.w3.org/2000/svg', name)

function curve(svg, values) {
  if (!svg.firstChild) {
    svg.setAttribute('viewBox', '0 0 100 100')
    svg.setAttribute('preserveAspectRatio', 'none')
    svg.append(drawn('polygon'), drawn('polyline'))
  }
  const most = Math.max(1, ...values) * 1.15
  const points = values.map((value, index) => `${(100 * (SAMPLES - values.length + index)) / (SAMPLES - 1)},${100 - 100 * value / most}`)
  svg.lastChild.setAttribute('points', points.join(' '))
  const left = 100 * (SAMPLES - values.length) / (SAMPLES - 1)
  svg.firstChild.setAttribute('points', `${left},100 ${points.join(' ')} 100,100`)
}

function bars(svg, values) {
  svg.setAttribute('viewBox', `0 0 ${10 * values.length} 100`)
  svg.setAttribute('preserveAspectRatio', 'none')
  while (svg.children.length < values.length) svg.append(drawn('rect'))
  const most = Math.max(1, ...values)
  values.forEach((value, index) => {
    // Few are seen beside many.
    const height = value ? Math.max(4, 100 * value / most) : 1
    const rect = svg.children[index]
    const shape = { x: 10 * index + 1, y: 100 - height, width: 8, height, 'fill-opacity': value ? 1 : .25 }
    for (const [name, measure] of Object.entries(shape)) rect.setAttribute(name, measure)
  })
}

const given = new URLSearchParams(location.hash.slice(1)).get('key')
if (location.hash) history.replaceState(null, '', location.pathname)
if (given) unlock(given)
else byId('key').focus()
