// A Prometheus of this lane's own: it scrapes each second, and no alert waits.

import { spawn } from 'node:child_process'
import { readFile, writeFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { eventually, freePort } from '../fixture/node.mjs'
import { CLUSTER, RULES } from './expressions.mjs'

const START_MS_MAX = 30_000

/** Starts one that scrapes these addresses. */
export async function startPrometheus(targets) {
  const directory = await mkdtemp(join(tmpdir(), 'fanfare-prometheus-'))
  const rules = (await readFile(RULES, 'utf8')).replace(/^( *for:) .*$/gm, '$1 1s')
  const configuration = {
    global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
    rule_files: [join(directory, 'rules.yaml')],
    scrape_configs: [{
      job_name: CLUSTER.job,
      static_configs: [{ targets, labels: { namespace: CLUSTER.namespace } }]
    }]
  }
  await writeFile(join(directory, 'rules.yaml'), rules)
  await writeFile(join(directory, 'prometheus.yml'), JSON.stringify(configuration))
  const address = `127.0.0.1:${await freePort()}`
  const child = spawn('prometheus', [
    `--config.file=${directory}/prometheus.yml`, `--storage.tsdb.path=${directory}/series`,
    `--web.listen-address=${address}`, '--log.level=warn'
  ], { stdio: ['ignore', 'ignore', 'inherit'] })
  const kill = () => child.kill('SIGKILL')
  process.on('exit', kill)
  const ended = new Promise(resolve => child.once('close', resolve))
  const prometheus = new Prometheus(address)
  prometheus.stop = async () => {
    kill()
    await ended
    await rm(directory, { recursive: true, force: true })
  }
  const areUp = async () => (await prometheus.now('sum(up)').catch(() => [])).some(({ value }) => Number(value[1]) === targets.length)
  await eventually(areUp, 'Prometheus scrapes the nodes', START_MS_MAX)
  return prometheus
}

class Prometheus {
  constructor(address) {
    this.address = address
    this.began = Date.now() / 1000
  }

  async ask(path, parameters = {}) {
    const answer = await fetch(`http://${this.address}/api/v1/${path}?${new URLSearchParams(parameters)}`)
    const { status, data, error } = await answer.json()
    if (status !== 'success') throw new Error(`${path}: ${error}`)
    return data
  }

  async now(query) {
    return (await this.ask('query', { query })).result
  }

  /** Every series of an expression, each second since the start. */
  async since(query) {
    const end = Date.now() / 1000
    return (await this.ask('query_range', { query, start: this.began, end, step: '1' })).result
  }

  /** Whether it was anything but zero, in any series, at any time. */
  async wasSeen(query) {
    const isSeen = ([, value]) => Number.isFinite(Number(value)) && Number(value) !== 0
    return (await this.since(query)).some(({ values }) => values.some(isSeen))
  }

  async rules() {
    return (await this.ask('rules')).groups.flatMap(({ rules }) => rules)
  }
}
