// For hours: channels with history, connections that come back now and then, one publication after the other.

import { accounted, begin, connecting, namespaceOf, optionsOf, publish, subscribe } from '../lib/run.js'
import { summaryOf } from '../lib/report.js'
import { count, period, positive, seconds } from '../lib/settings.js'

const namespace = namespaceOf('load_kept')
const connections = count('CONNECTIONS', 500)
const channels = count('CHANNELS', 50)
const each = Math.min(count('SUBSCRIPTIONS', 3), channels)
const size = {
  namespace, connections, channels, each,
  subscriptions: connections * each,
  publishers: count('PUBLISHERS', 2),
  rate: positive('RATE', 20),
  payload: count('PAYLOAD', 512),
  ramp: seconds('RAMP', '20s'),
  duration: period('DURATION', '1h'),
  lifetime: period('LIFETIME', '10m'),
  isOnce: true
}
const ended = name => ({ [name]: [{ threshold: 'count==0', abortOnFail: true, delayAbortEval: '10s' }] })
const thresholds = {
  ...accounted, ...connecting, ...ended('fanfare_lost'), ...ended('fanfare_doubled'), ...ended('fanfare_out_of_order')
}

export const options = optionsOf({ ...size, thresholds })
export const setup = begin
export const handleSummary = summaryOf('soak')

export function subscribers(run) {
  subscribe(run, size)
}

export function publishers(run) {
  publish(run, size)
}
