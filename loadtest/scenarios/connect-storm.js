// Everybody comes at once, and again: all connections end together, come back together, and recover what they missed.

import { accounted, begin, connecting, namespaceOf, optionsOf, publish, subscribe } from '../lib/run.js'
import { summaryOf } from '../lib/report.js'
import { count, period, positive, seconds } from '../lib/settings.js'

const namespace = namespaceOf('load_kept')
const connections = count('CONNECTIONS', 1000)
const channels = count('CHANNELS', 10)
const storms = count('STORMS', 2)
const duration = period('DURATION', '30s')
const size = {
  namespace, connections, channels, duration,
  subscriptions: connections,
  rate: positive('RATE', 10),
  payload: count('PAYLOAD', 128),
  ramp: seconds('RAMP', '2s'),
  cuts: Array.from({ length: storms }, (_, nth) => duration * (nth + 0.5) / (storms + 0.5))
}
const thresholds = {
  ...accounted,
  ...connecting,
  fanfare_reconnects: [`count>=${storms * connections}`],
  fanfare_away_ms: [`p(99)<${positive('SLO_AWAY_P99_MS', 5000)}`]
}
// What is delivered while everybody connects waits its turn.
delete thresholds.fanfare_delivery_ms

export const options = optionsOf({ ...size, thresholds })
export const setup = begin
export const handleSummary = summaryOf('connect-storm')

export function subscribers(run) {
  subscribe(run, size)
}

export function publishers(run) {
  publish(run, size)
}
