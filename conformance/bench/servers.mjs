// What the cluster's measurements run against: a Redis that a shell command can end and start again, and nodes.

import { spawn } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { API_KEY, SECRET, eventually, freePort, startNode } from '../fixture/node.mjs'

const AWAY_SECONDS = 1
const directories = new Set()
process.on('exit', () => directories.forEach(end))

/** A Redis, with an AOF that is always written or with nothing that outlives it. */
export async function startRedis({ keeps = false } = {}) {
  const directory = await mkdtemp(join(tmpdir(), 'fanfare-bench-'))
  directories.add(directory)
  const port = await freePort()
  const settings = [
    `port ${port}`, 'bind 127.0.0.1', 'protected-mode no', `dir ${directory}`, 'save ""', 'daemonize yes', 'loglevel warning',
    `pidfile ${directory}/redis.pid`, `logfile ${directory}/redis.log`,
    `appendonly ${keeps ? 'yes' : 'no'}`, 'appendfsync always'
  ]
  await writeFile(join(directory, 'redis.conf'), settings.join('\n'))
  const start = `redis-server ${directory}/redis.conf`
  await run('sh', ['-c', start])
  const isThere = () => run('redis-cli', ['-e', '-p', String(port), 'PING']).then(() => true, () => false)
  await eventually(isThere, 'Redis answers', 15_000)
  return {
    address: `127.0.0.1:${port}`,
    url: `redis://127.0.0.1:${port}`,
    /** Kills it, and starts it again with what it kept. */
    outage: `kill -KILL $(cat ${directory}/redis.pid) && sleep ${AWAY_SECONDS} && ${start}`,
    stop: () => end(directory)
  }
}

/** By the id that the server itself wrote down. */
function end(directory) {
  try {
    process.kill(Number(readFileSync(join(directory, 'redis.pid'), 'utf8')), 'SIGKILL')
  } catch {
    // It has ended, or never began.
  }
  rmSync(directory, { recursive: true, force: true })
  directories.delete(directory)
}

/** Nodes that share a Redis, or one alone without any. */
export function startNodes(count, redis) {
  const settings = {
    'redis.url': redis?.url,
    'channels.client_subscribe': true,
    'client.command_rate': 10_000,
    'namespaces.kept.client_subscribe': true,
    'namespaces.kept.history_size': 100,
    'namespaces.kept.history_ttl': '10m'
  }
  return Promise.all(Array.from({ length: count }, () => startNode(settings)))
}

/** The figures of one `fanfare bench` against nodes: clients connect to `nodes`, `publisher` is published to. */
export async function bench(workload, nodes, flags, publisher = nodes[0]) {
  const directory = await mkdtemp(join(tmpdir(), 'fanfare-bench-'))
  const report = join(directory, 'report.json')
  const apis = [publisher, ...nodes.filter(node => node !== publisher)].map(node => node.internal)
  const target = [
    '--pid', [...new Set([...nodes, publisher])].map(node => node.child.pid).join(), '--servers',
    nodes.map(node => node.public).join(), '--api', apis.join(), '--json', report
  ]
  const env = { ...process.env, FANFARE__API__KEY: API_KEY, FANFARE__TOKEN__HMAC_SECRET: SECRET }
  try {
    await run(process.env.FANFARE_BIN, ['bench', workload, ...target, ...flags.map(String)], env)
    return JSON.parse(await readFile(report, 'utf8')).rows
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

const children = new Set()
process.on('exit', () => children.forEach(child => child.kill('SIGKILL')))

/** Runs a program to its end; fails with what it said unless it succeeds. */
function run(program, flags, env = process.env) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, flags, { env, stdio: ['ignore', 'pipe', 'pipe'] })
    children.add(child)
    let said = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', text => { said += text })
    child.once('error', reject)
    // The server that it starts may keep the streams open.
    child.once('exit', code => {
      children.delete(child)
      if (code === 0) resolve(said)
      else reject(new Error(`${program} ${flags[0]} ended with ${code}: ${said.trim()}`))
    })
  })
}
