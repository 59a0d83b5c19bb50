// Every connection has a channel of its own, as users have: each gets what is published to it alone.

import { accounted, begin, connecting, namespaceOf, optionsOf, publish, subscribe } from '../lib/run.js'
import { summaryOf } from '../lib/report.js'
import { count, period, positive, seconds } from '../lib/settings.js'

const namespace = namespaceOf('load')
const connections = count('CONNECTIONS', 500)
const size = {
  namespace, connections,
  channels: connections,
  subscriptions: connections,
  publishers: count('PUBLISHERS', 4),
  rate: positive('RATE', 200),
  payload: count('PAYLOAD', 128),
  ramp: seconds('RAMP', '5s'),
  duration: period('DURATION', '30s')
}

export const options = optionsOf({ ...size, thresholds: { ...accounted, ...connecting } })
export const setup = begin
export const handleSummary = summaryOf('unicast')

export function subscribers(run) {
  subscribe(run, size)
}

export function publishers(run) {
  publish(run, size)
}
