// kubectl and helm, and what they tell, for the steps of the test.

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

import { sumOf } from '../fixture/metrics.mjs'

const run = promisify(execFile)
const OUTPUT_MAX = 64 << 20

/** One namespace of a cluster; whatever is made in it goes with it. */
export class Cluster {
  constructor(namespace) {
    this.namespace = namespace
  }

  async kubectl(...flags) {
    return (await run('kubectl', ['-n', this.namespace, ...flags], { maxBuffer: OUTPUT_MAX })).stdout
  }

  async json(...flags) {
    return JSON.parse(await this.kubectl('get', ...flags, '-o', 'json'))
  }

  /** Applies objects. */
  async apply(...objects) {
    const child = run('kubectl', ['-n', this.namespace, 'apply', '-f', '-'])
    child.child.stdin.end(JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }))
    await child
  }

  async helm(...flags) {
    return (await run('helm', [...flags, '-n', this.namespace], { maxBuffer: OUTPUT_MAX })).stdout
  }

  /** What a pod answers over HTTP, by way of the API server. */
  async ask(pod, port, path) {
    return this.kubectl('get', '--raw', `/api/v1/namespaces/${this.namespace}/pods/${pod}:${port}/proxy${path}`)
  }

  /** The nodes' pods that run and are not told to end. */
  async pods(selector = 'app.kubernetes.io/name=fanfare,app.kubernetes.io/component=node') {
    const { items } = await this.json('pods', '-l', selector)
    return items.filter(pod => pod.status.phase === 'Running' && !pod.metadata.deletionTimestamp)
  }

  /** A metric of a node: the sum over its labels. */
  async metric(pod, name) {
    return sumOf(await this.ask(pod, 9000, '/metrics'), name)
  }
}

export const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))

/** Asks until the answer is truthy; says what was answered last when it never is. */
export async function eventually(what, ms, ask) {
  let last
  for (const end = Date.now() + ms; Date.now() < end; await sleep(500)) {
    try {
      last = await ask()
      if (last) return last
    } catch (error) {
      last = error.message
    }
  }
  throw new Error(`not within ${ms / 1000} s: ${what}; last: ${JSON.stringify(last)}`)
}
