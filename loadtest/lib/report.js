// What is left of a run: a table in the log, a page for people, a JSON file for programs.

import encoding from 'k6/encoding'

import { settings, text } from './settings.js'

const REPORT_DIRECTORY = text('REPORT_DIR', '.')
const isInLog = text('REPORT_IN_LOG', '') === '1'
const TRENDS = ['delivery', 'connect', 'away', 'presence', 'publish_late'].map(what => `fanfare_${what}_ms`)
const PERCENTILES = ['med', 'p(90)', 'p(95)', 'p(99)', 'p(99.9)', 'max']

/** The `handleSummary` of a scenario. */
export const summaryOf = scenario => end => {
  const report = reportOf(scenario, end)
  const page = pageOf(report)
  const files = {
    [`${REPORT_DIRECTORY}/${scenario}.json`]: `${JSON.stringify(report, null, 2)}\n`,
    [`${REPORT_DIRECTORY}/${scenario}.html`]: page
  }
  if (!isInLog) return { stdout: tableOf(report), ...files }
  return { stdout: `${tableOf(report)}report.json: ${JSON.stringify(report)}\nreport.html: ${encoding.b64encode(page)}\n` }
}

function reportOf(scenario, { metrics, state, setup_data: run }) {
  const ours = Object.entries(metrics).filter(([name]) => name.startsWith('fanfare_')).sort(([a], [b]) => (a < b ? -1 : 1))
  const objectives = ours.flatMap(([name, { thresholds = {}, values }]) => (
    Object.entries(thresholds).map(([wanted, { ok }]) => ({ metric: name, wanted, got: valueOf(wanted, values), ok }))
  ))
  const counts = Object.fromEntries(ours.flatMap(([name, { type, values }]) => (
    type === 'counter' ? [[name.replace('fanfare_', ''), values.count]] : []
  )))
  const trends = TRENDS.filter(name => metrics[name]?.values.count > 0).map(name => [
    name.replace('fanfare_', ''),
    Object.fromEntries(['count', 'min', 'avg', ...PERCENTILES].map(part => [part, metrics[name].values[part]]))
  ])
  return {
    scenario,
    run: run?.name,
    began: run ? new Date(run.began).toISOString() : undefined,
    seconds: Math.round(state.testRunDurationMs / 1000),
    passed: objectives.length > 0 && objectives.every(({ ok }) => ok),
    settings,
    objectives,
    counts,
    trends: Object.fromEntries(trends)
  }
}

/** The value that `count==0` or `p(99)<500` is about. */
const valueOf = (wanted, values) => values[/^(p\([\d.]+\)|\w+)/.exec(wanted)[0]]

const name = metric => metric.replace('fanfare_', '').replaceAll('_', ' ')
const round = value => (value === undefined ? '–' : String(Number(value.toPrecision(4))))

function tableOf({ scenario, passed, seconds, objectives, counts, trends }) {
  const lines = [`\n${scenario}: ${passed ? 'passed' : 'FAILED'} after ${seconds} s`]
  for (const { metric, wanted, got, ok } of objectives) {
    lines.push(`  ${ok ? 'ok    ' : 'FAILED'} ${name(metric).padEnd(18)} ${wanted.padEnd(16)} ${round(got)}`)
  }
  const total = Object.entries(counts).filter(([, count]) => count > 0).map(([what, count]) => `${name(what)} ${count}`)
  lines.push(`  ${total.join(', ')}`)
  for (const [what, values] of Object.entries(trends)) {
    lines.push(`  ${name(what)}: ${PERCENTILES.map(part => `${part} ${round(values[part])}`).join(', ')}`)
  }
  return `${lines.join('\n')}\n`
}

function pageOf(report) {
  const { scenario, run, began, seconds, passed, objectives, counts, trends } = report
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Fanfare: ${escaped(scenario)}</title><style>${STYLE}</style></head><body>
<h1>${escaped(scenario)} <span class="${passed ? 'ok' : 'bad'}">${passed ? 'passed' : 'failed'}</span></h1>
<p>${escaped(began ?? '')}, ${seconds} s, run ${escaped(run ?? '')}</p>
<h2>Objectives</h2>
${table(['metric', 'wanted', 'got', ''], objectives.map(({ metric, wanted, got, ok }) => (
    [name(metric), wanted, round(got), ok ? '<span class="ok">ok</span>' : '<span class="bad">missed</span>']
  )))}
<h2>Counts</h2>
${table(['what', 'count', 'per second'], Object.entries(counts).map(([what, count]) => (
    [name(what), count, round(count / Math.max(1, seconds))]
  )))}
<h2>Times, in milliseconds</h2>
${table(['', 'count', ...PERCENTILES], Object.entries(trends).map(([what, values]) => (
    [name(what), values.count, ...PERCENTILES.map(part => round(values[part]))]
  )))}
${Object.entries(trends).map(([what, values]) => bars(name(what), values)).join('\n')}
<h2>Settings</h2>
${table(['name', 'value'], Object.entries(report.settings).map(([what, value]) => [what, escaped(String(value))]))}
</body></html>
`
}

/** Percentiles as bars, so that a long tail is seen. */
function bars(what, values) {
  const longest = Math.max(values.max, 1e-9)
  const rows = PERCENTILES.map((part, nth) => {
    const width = 420 * values[part] / longest
    return `<text x="0" y="${nth * 22 + 15}">${part}</text><rect x="60" y="${nth * 22 + 3}" width="${width.toFixed(1)}"
 height="15"/><text x="${(68 + width).toFixed(1)}" y="${nth * 22 + 15}">${round(values[part])}</text>`
  })
  return `<h3>${what}</h3><svg width="560" height="${PERCENTILES.length * 22}">${rows.join('')}</svg>`
}

const table = (head, rows) => `<table><tr>${head.map(cell => `<th>${cell}</th>`).join('')}</tr>
${rows.map(row => `<tr>${row.map(cell => `<td>${cell}</td>`).join('')}</tr>`).join('\n')}</table>`

const ENTITIES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
const escaped = text => text.replace(/[&<>"]/g, character => ENTITIES[character])

const STYLE = `:root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;max-width:50rem;margin:2rem auto;
padding:0 1rem}table{border-collapse:collapse}th,td{text-align:left;padding:.2rem 1rem .2rem 0;
border-bottom:1px solid #8884}td{font-variant-numeric:tabular-nums}.ok{color:#2a8a3a}.bad{color:#c62828;font-weight:bold}
svg{font:13px system-ui,sans-serif}svg text{fill:currentColor}svg rect{fill:#4a7fc1}`
