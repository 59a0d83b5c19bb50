// The proxies of docs/operate/ingress.md: its configurations as they stand there, with other addresses and shorter times.

import { execFile, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import { eventually, freePort } from '../fixture/node.mjs'

const run = promisify(execFile)
const HERE = dirname(fileURLToPath(import.meta.url))
const page = await readFile(join(HERE, '../../docs/operate/ingress.md'), 'utf8')
const [http, stream] = [...page.matchAll(/```nginx\n([^]*?)```/g)].map(([, text]) => text)
const [haproxy] = [...page.matchAll(/```haproxy\n([^]*?)```/g)].map(([, text]) => text)

const running = new Set()
process.on('exit', () => running.forEach(({ child }) => child.kill('SIGKILL')))

/** Stops all that were started. */
export const stopProxies = () => Promise.all([...running].map(proxy => proxy.stop()))

/** A directory with a certificate for localhost, signed by itself. */
export async function makeDirectory() {
  const directory = await mkdtemp(join(tmpdir(), 'fanfare-proxies-'))
  const at = name => join(directory, name)
  await run('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes',
    '-keyout', at('tls.key'), '-out', at('tls.crt'), '-days', '2', '-subj', '/CN=localhost',
    '-addext', 'subjectAltName=DNS:localhost'])
  const [key, crt] = await Promise.all(['tls.key', 'tls.crt'].map(name => readFile(at(name), 'utf8')))
  await writeFile(at('tls.pem'), crt + key)
  return { path: directory, certificate: crt, remove: () => rm(directory, { recursive: true, force: true }) }
}

/** nginx that speaks HTTP; nginx that passes on bytes. */
export const startNginx = (directory, nodes) => startAnyNginx('http', http, directory, nodes)
export const startNginxStream = (directory, nodes) => startAnyNginx('stream', stream, directory, nodes)

export async function startHaproxy({ path }, nodes) {
  const port = await freePort()
  const target = node => `${node.public} check addr ${node.internal.split(':')[0]} port ${node.internal.split(':')[1]}`
  const text = changed(haproxy, [
    ['bind :443', `bind 127.0.0.1:${port}`],
    ['/etc/haproxy/push.example.com.pem', join(path, 'tls.pem')],
    ['10.0.0.11:8000 check port 9000', target(nodes[0])],
    ['10.0.0.12:8000 check port 9000', target(nodes[1])],
    ['timeout client 60s', 'timeout client 3s'],
    ['timeout server 60s', 'timeout server 3s'],
    ['timeout tunnel 60s', 'timeout tunnel 3s'],
    ['inter 1s', 'inter 200ms'],
    ['maxconn 100000', 'maxconn 1000']
  ])
  const file = join(path, 'haproxy.cfg')
  await writeFile(file, text)
  return new Proxy('haproxy', ['-db', '-f', file], port).ready()
}

async function startAnyNginx(name, configuration, { path }, nodes) {
  const port = await freePort()
  const times = name === 'http'
    ? [['proxy_read_timeout 60s', 'proxy_read_timeout 3s'], ['proxy_send_timeout 60s', 'proxy_send_timeout 3s']]
    : [['proxy_timeout 60s', 'proxy_timeout 3s']]
  const text = changed(configuration, [
    ['listen 443', `listen 127.0.0.1:${port}`],
    ['/etc/nginx/push.example.com.crt', join(path, 'tls.crt')],
    ['/etc/nginx/push.example.com.key', join(path, 'tls.key')],
    ['10.0.0.11:8000', nodes[0].public],
    ['10.0.0.12:8000', nodes[1].public],
    ['worker_shutdown_timeout 1h', 'worker_shutdown_timeout 1s'],
    ['worker_processes auto', 'worker_processes 1'],
    ['worker_rlimit_nofile 131072', 'worker_rlimit_nofile 4096'],
    ['worker_connections 65536', 'worker_connections 1024'],
    ...times
  ])
  const file = join(path, `nginx-${name}.conf`)
  // Where the page says nothing, files are the directory's own.
  const own = name === 'http' ? text.replace('http {', 'http {\n    access_log off;') : text
  await writeFile(file, own)
  const flags = `daemon off; pid ${join(path, `nginx-${name}.pid`)}; error_log stderr;`
  return new Proxy('nginx', ['-c', file, '-p', path, '-g', flags], port).ready()
}

/** A text with words replaced, each of which must be there. */
function changed(text, replacements) {
  for (const [from, to] of replacements) {
    if (!text.includes(from)) throw new Error(`the page's configuration lacks: ${from}`)
    text = text.replaceAll(from, to)
  }
  return text
}

class Proxy {
  log = ''

  constructor(program, flags, port) {
    this.name = program
    this.port = port
    this.url = `wss://localhost:${port}/connection/websocket`
    this.child = spawn(program, flags, { stdio: ['ignore', 'pipe', 'pipe'] })
    running.add(this)
    for (const output of [this.child.stdout, this.child.stderr]) output.on('data', text => { this.log += text })
    this.child.once('error', error => { this.log += error })
    this.ended = new Promise(resolve => this.child.once('close', () => {
      running.delete(this)
      resolve()
    }))
  }

  async ready() {
    const accepts = () => new Promise(resolve => {
      const socket = connect(this.port, '127.0.0.1').once('error', () => resolve(false))
      socket.once('connect', () => {
        socket.destroy()
        resolve(true)
      })
    })
    await eventually(accepts, `${this.name} listens`, 10_000).catch(error => {
      throw new Error(`${error.message}; it says:\n${this.log}`)
    })
    return this
  }

  /** Reads its configuration again, as an operator's change makes it do. */
  reload() {
    this.child.kill('SIGHUP')
  }

  async stop() {
    this.child.kill('SIGTERM')
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 5000)
    await this.ended
    clearTimeout(timer)
  }
}
