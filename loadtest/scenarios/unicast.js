// Every connection has a channel of its own, as users have: each gets what is published to it alone.

import { accounted, begin, connecting, namespaceOf, optionsOf, publish, subscribe } from '../lib/run.js'
import { summaryOf } from '../lib/report.js'
import { number, seconds } from '../lib/settings.js'

const namespace = namespaceOf('load')
const connections = number('CONNECTIONS', 500)
const size = {
  namespace, connections,
  channels: connections,
  subscriptions: connections,
  publishers: number('PUBLISHERS', 4),
  rate: number('RATE', 200),
  payload: number('PAYLOAD', 128),
  ramp: seconds('RAMP', '5s'),
  duration: seconds('DURATION', '30s')
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
