// Nodes are drained and replaced meanwhile, by whoever runs this: clients go elsewhere and recover, nothing is lost.

import { accounted, begin, namespaceOf, optionsOf, publish, subscribe } from '../lib/run.js'
import { summaryOf } from '../lib/report.js'
import { number, seconds } from '../lib/settings.js'

const namespace = namespaceOf('load_kept')
const connections = number('CONNECTIONS', 500)
const channels = number('CHANNELS', 20)
const size = {
  namespace, connections, channels,
  subscriptions: connections,
  publishers: number('PUBLISHERS', 2),
  rate: number('RATE', 40),
  payload: number('PAYLOAD', 128),
  ramp: seconds('RAMP', '5s'),
  duration: seconds('DURATION', '5m'),
  isOnce: true
}
const thresholds = {
  ...accounted,
  // Without it nothing was drained, and nothing is shown.
  fanfare_reconnects: [`count>=${number('RECONNECTS_MIN', 1)}`],
  fanfare_away_ms: [`p(99)<${number('SLO_AWAY_P99_MS', 10_000)}`]
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
