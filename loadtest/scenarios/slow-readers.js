// Some clients read too little of what they asked for: they are closed for it, and everybody else notices nothing.

import { sleep } from 'k6'
import exec from 'k6/execution'
import ws from 'k6/ws'

import { accounted, begin, channelOf, connecting, namespaceOf, optionsOf, publish, subscribe } from '../lib/run.js'
import { slowClosed } from '../lib/metrics.js'
import { summaryOf } from '../lib/report.js'
import { count, nodes, period, positive, seconds } from '../lib/settings.js'
import { token } from '../lib/token.js'

// Too slow for what is published, but quick enough that a close frame finds room in the kernel, for which nodes wait a second.
const READ_BYTES_PER_SECOND = 196_608
const START_SECONDS = 5
const SLOW = 3008

const namespace = namespaceOf('load')
const connections = count('CONNECTIONS', 10)
const slow = count('SLOW', 5)
const size = {
  namespace, connections,
  channels: 1,
  subscriptions: connections + slow,
  // Much more than slow readers take: within seconds, more than a node keeps for one connection.
  rate: positive('RATE', 30),
  payload: count('PAYLOAD', 16_384),
  ramp: seconds('RAMP', '2s'),
  duration: period('DURATION', '30s')
}
const thresholds = {
  ...accounted,
  ...connecting,
  // The others stay connected, and every slow reader is found out.
  fanfare_reconnects: ['count==0'],
  fanfare_slow_closed: [`count==${slow}`]
}
const others = {
  slow: {
    executor: 'constant-vus',
    vus: slow,
    duration: `${Math.ceil(size.ramp + size.duration + START_SECONDS)}s`,
    gracefulStop: '0s',
    exec: 'readers'
  }
}

export const options = optionsOf({ ...size, others, thresholds })
export const setup = begin
export const handleSummary = summaryOf('slow-readers')

export function subscribers(run) {
  subscribe(run, size)
}

export function publishers(run) {
  publish(run, size)
}

/** What this VU's connections have in common. */
const reader = { isFoundOut: false, hurriesAt: undefined }

/**
 * This module of k6 reads no further while the script is busy, as the other one would: the kernel's buffers fill up.
 * Whoever was found out comes back, and is as slow, but counts once.
 */
export function readers(run) {
  const began = Date.now()
  const headers = nodes.origin ? { Origin: nodes.origin } : {}
  let fault
  ws.connect(nodes.urls[exec.vu.idInTest % nodes.urls.length], { headers }, socket => {
    socket.on('open', () => socket.send(commands(run)))
    socket.on('message', text => {
      if (text.split('\n').includes('{}')) socket.send('{}')
      if (text.includes('"pub"')) dawdle(text.length)
    })
    socket.on('error', error => { fault ??= error.error() })
    socket.on('close', code => {
      if (code === SLOW && !reader.isFoundOut) slowClosed.add(1)
      reader.isFoundOut ||= code === SLOW
      if (code !== SLOW && fault) console.warn(`a slow reader ends with ${code}, not ${SLOW}: ${fault}`)
    })
  })
  if (Date.now() - began < 1000) sleep(1)
}

/** Takes the time that this many bytes should take; none once all is published, so that the close code arrives. */
function dawdle(bytes) {
  reader.hurriesAt ??= Date.now() + size.duration * 1000
  if (Date.now() < reader.hurriesAt) sleep(bytes / READ_BYTES_PER_SECOND)
}

const commands = run => [
  { id: 1, connect: { token: token(`${run.name}-slow-${exec.vu.idInTest}`) } },
  { id: 2, subscribe: { channel: channelOf(run, namespace, 0) } }
].map(command => JSON.stringify(command)).join('\n')
