// Nodes are drained and replaced meanwhile, by whoever runs this: clients go elsewhere and recover, nothing is lost.

import { accounted, begin, namespaceOf, optionsOf, publish, subscribe } from '../lib/run.js'
import { summaryOf } from '../lib/report.js'
import { count, period, positive, seconds } from '../lib/settings.js'

const namespace = namespaceOf('load_kept')
const connections = count('CONNECTIONS', 500)
const channels = count('CHANNELS', 20)
const size = {
  namespace, connections, channels,
  subscriptions: connections,
  publishers: count('PUBLISHERS', 2),
  rate: positive('RATE', 40),
  payload: count('PAYLOAD', 128),
  ramp: seconds('RAMP', '5s'),
  duration: period('DURATION', '5m'),
  isOnce: true
}
const thresholds = {
  ...accounted,
  // Without it nothing was drained, and nothing is shown.
  fanfare_reconnects: [`count>=${count('RECONNECTS_MIN', 1)}`],
  fanfare_away_ms: [`p(99)<${positive('SLO_AWAY_P99_MS', 10_000)}`]
}

export const options = optionsOf({ ...size, thresholds })
export const setup = begin
export const handleSummary = summaryOf('rolling-drain')

export function subscribers(run) {
  subscribe(run, size)
}

export function publishers(run) {
  publish(run, size)
}
