// A publication goes to everyone in its channel: each gets each, once and in order.

import { accounted, begin, connecting, namespaceOf, optionsOf, publish, subscribe } from '../lib/run.js'
import { summaryOf } from '../lib/report.js'
import { count, period, positive, seconds } from '../lib/settings.js'

const namespace = namespaceOf('load')
const connections = count('CONNECTIONS', 500)
const channels = count('CHANNELS', 5)
const each = Math.min(count('SUBSCRIPTIONS', 1), channels)
const size = {
  namespace, connections, channels, each,
  subscriptions: connections * each,
  publishers: count('PUBLISHERS', 1),
  rate: positive('RATE', 20),
  payload: count('PAYLOAD', 128),
  ramp: seconds('RAMP', '5s'),
  duration: period('DURATION', '30s')
}

export const options = optionsOf({ ...size, thresholds: { ...accounted, ...connecting } })
export const setup = begin
export const handleSummary = summaryOf('fan-out')

export function subscribers(run) {
  subscribe(run, size)
}

export function publishers(run) {
  publish(run, size)
}
