// For hours: channels with history, connections that come back now and then, one publication after the other.

import { accounted, begin, connecting, namespaceOf, optionsOf, publish, subscribe } from '../lib/run.js'
import { summaryOf } from '../lib/report.js'
import { number, seconds } from '../lib/settings.js'

const namespace = namespaceOf('load_kept')
const connections = number('CONNECTIONS', 500)
const channels = number('CHANNELS', 50)
const each = Math.min(number('SUBSCRIPTIONS', 3), channels)
const size = {
  namespace, connections, channels, each,
  subscriptions: connections * each,
  publishers: number('PUBLISHERS', 2),
  rate: number('RATE', 20),
  payload: number('PAYLOAD', 512),
  ramp: seconds('RAMP', '20s'),
  duration: seconds('DURATION', '1h'),
  lifetime: seconds('LIFETIME', '10m'),
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
