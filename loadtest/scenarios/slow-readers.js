// Some clients do not read what they asked for: they are closed for it, and everybody else notices nothing.

import { sleep } from 'k6'
import exec from 'k6/execution'
import ws from 'k6/ws'

import { accounted, begin, channelOf, connecting, namespaceOf, optionsOf, publish, subscribe } from '../lib/run.js'
import { slowClosed } from '../lib/metrics.js'
import { summaryOf } from '../lib/report.js'
import { nodes, number, seconds } from '../lib/settings.js'
import { token } from '../lib/token.js'

const READ_PAUSE_SECONDS = 1
const START_SECONDS = 5

const namespace = namespaceOf('load')
const connections = number('CONNECTIONS', 20)
const slow = number('SLOW', 5)
const size = {
  namespace, connections,
  channels: 1,
  subscriptions: connections + slow,
  // Within seconds more than a node keeps for one connection.
  rate: number('RATE', 10),
  payload: number('PAYLOAD', 16_384),
  ramp: seconds('RAMP', '2s'),
  duration: seconds('DURATION', '30s')
}
const thresholds = {
  ...accounted,
  ...connecting,
  // The others stay connected, and every slow reader is found out.
  fanfare_reconnects: ['count==0'],
  fanfare_slow_closed: [`count>=${slow}`]
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

/** This module of k6 reads no further while the script is busy, as the other one would: the kernel's buffers fill up. */
export function readers(run) {
  const began = Date.now()
  const headers = nodes.origin ? { Origin: nodes.origin } : {}
  let isSubscribed = false
  ws.connect(nodes.urls[exec.vu.idInTest % nodes.urls.length], { headers }, socket => {
    socket.on('open', () => socket.send(commands(run)))
    socket.on('message', text => {
      isSubscribed ||= text.includes('"subscribe"')
      if (isSubscribed) sleep(READ_PAUSE_SECONDS)
    })
    socket.on('error', () => {})
  })
  if (isSubscribed) slowClosed.add(1)
  if (Date.now() - began < 1000) sleep(1)
}

const commands = run => [
  { id: 1, connect: { token: token(`${run.name}-slow-${exec.vu.idInTest}`) } },
  { id: 2, subscribe: { channel: channelOf(run, namespace, 0) } }
].map(command => JSON.stringify(command)).join('\n')
