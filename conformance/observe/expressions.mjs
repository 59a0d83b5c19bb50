// What the dashboards ask, as Prometheus would be asked: Grafana's variables stand for one cluster of this lane.
// Run alone, it prints all of it as a rule file, for promtool to parse.

import { readFileSync, readdirSync } from 'node:fs'

const FILES = new URL('../../helm/fanfare/files/', import.meta.url)

export const CLUSTER = { job: 'fanfare', namespace: 'observe' }
export const RULES = new URL('rules.yaml', FILES)

const VARIABLES = { ...CLUSTER, instance: '.*', __rate_interval: '10s', __range: '5m' }

/** Every query of every dashboard, with where it stands. */
export function dashboardExpressions() {
  const folder = new URL('dashboards/', FILES)
  return readdirSync(folder).sort().flatMap(file => {
    const { panels, annotations } = JSON.parse(readFileSync(new URL(file, folder), 'utf8'))
    const of = (title, expr) => ({ where: `${file}: ${title}`, expr: concrete(expr) })
    return [
      ...annotations.list.map(({ name, expr }) => of(name, expr)),
      ...panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => of(title, expr)))
    ]
  })
}

function concrete(expr) {
  return expr.replace(/\$(\w+)/g, (_, name) => {
    if (!(name in VARIABLES)) throw new Error(`${expr}: $${name} is no variable of the dashboards`)
    return VARIABLES[name]
  })
}

if (process.argv[1] === import.meta.filename) {
  const rules = dashboardExpressions().map(({ expr }, at) => ({ record: `dashboard:query:${at}`, expr }))
  console.log(JSON.stringify({ groups: [{ name: 'dashboards', rules }] }))
}
