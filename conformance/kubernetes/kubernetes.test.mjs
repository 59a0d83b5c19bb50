// The chart's life on a cluster, in order: each step takes over what the one before left.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { after, before, test } from 'node:test'

import { Cluster, eventually, sleep } from './cluster.mjs'

const { FANFARE_IMAGE, AHEAD_IMAGE, REDIS_IMAGE, NODE_IMAGE, HPA, NETWORK_POLICY } = process.env
const CLIENTS = Number(process.env.CLIENTS ?? 3000)
const CHANNELS = Math.max(1, Math.floor(CLIENTS / 10))
const RATE = 50
const NODES = 3
const DRAIN = { delay: 5, window: 15 }

const path = relative => fileURLToPath(new URL(relative, import.meta.url))
const chart = path('../../helm/fanfare')
const cluster = new Cluster('fanfare-conformance')
const secrets = { hmac: randomBytes(32).toString('hex'), api: randomBytes(32).toString('hex') }

/** An image as values of the chart. */
const image = (key, name) => {
  const at = name.lastIndexOf(':')
  return [`--set=${key}.repository=${name.slice(0, at)}`, `--set-string=${key}.tag=${name.slice(at + 1)}`]
}

const values = [
  ...image('redis.image', REDIS_IMAGE),
  `--set=redis.enabled=true,replicaCount=${NODES}`,
  `--set=secrets.token.hmac_secret=${secrets.hmac},secrets.api.key=${secrets.api},secrets.redis.password=${secrets.api}`,
  `--set=config.drain.delay=${DRAIN.delay}s,config.drain.window=${DRAIN.window}s`,
  '--set=config.channels.client_subscribe=true,config.namespaces.kept.client_subscribe=true',
  '--set=config.namespaces.kept.history_size=1000,config.namespaces.kept.history_ttl=10m',
  '--set=resources.requests.cpu=50m,resources.requests.memory=64Mi',
  '--set-string=podAnnotations.prometheus\\.io/port=9000'
]

const upgrade = (fanfare, ...more) =>
  cluster.helm('upgrade', '--install', 'push', chart, '--wait', '--timeout=8m', ...values, ...image('image', fanfare), ...more)

const account = async () => JSON.parse(await cluster.ask('followers', 8080, '/status'))

/** Every client has what was published, exactly once and in order. */
async function addsUp() {
  const now = await account()
  const { lost, doubled, lapsed } = now
  assert.deepEqual({ lost, doubled, lapsed }, { lost: 0, doubled: 0, lapsed: 0 }, JSON.stringify(now))
  return now
}

/** Waits until all old pods are gone and all clients are back. */
async function settles(nodes = NODES) {
  await eventually('all pods of before are gone', 240_000, async () => {
    const { items } = await cluster.json('pods', '-l', 'app.kubernetes.io/component=node')
    return items.length === nodes && items.every(pod => !pod.metadata.deletionTimestamp)
  })
  await eventually('all clients are back', 120_000, async () => {
    const { connected, subscribed } = await account()
    return connected === CLIENTS && subscribed === CLIENTS
  })
}

before(async () => {
  await cluster.kubectl('delete', 'namespace', cluster.namespace, '--ignore-not-found', '--wait=true', '--timeout=120s')
  await cluster.kubectl('create', 'namespace', cluster.namespace)
  await cluster.kubectl('label', 'namespace', cluster.namespace, 'pod-security.kubernetes.io/enforce=restricted')
})

after(() => cluster.kubectl('delete', 'namespace', cluster.namespace, '--wait=false'))

test('values that are wrong are refused with the path of the bad key', async () => {
  const refused = (flags, text) => assert.rejects(upgrade(FANFARE_IMAGE, ...flags), error => {
    assert.match(error.stderr, text)
    return true
  })
  await refused(['--set=config.namespaces.kept.histroy_size=1'], /config[./]namespaces[./]kept.*histroy_size/s)
  await refused(['--set=replicaCount=two'], /replicaCount/)
  await refused(['--set=redis.enabled=false'], /[Rr]edis/)
  assert.equal((await cluster.helm('list', '-q', '--all')).trim(), '')
})

test('it installs under the strictest Pod Security, and helm test passes', async () => {
  await upgrade(FANFARE_IMAGE)
  await cluster.helm('test', 'push', '--timeout=2m')
  assert.equal((await cluster.pods()).length, NODES)
})

test('clients come, and are spread over all nodes', async () => {
  const read = file => readFile(path(file), 'utf8')
  const env = {
    URL_OF_CLIENTS: 'ws://push-fanfare/connection/websocket',
    URL_OF_API: 'http://push-fanfare-internal:9000/api',
    API_KEY: secrets.api, SECRET: secrets.hmac, CLIENTS, CHANNELS, RATE
  }
  await cluster.apply({
    apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'followers' },
    data: {
      'followers.mjs': await read('followers.mjs'),
      'token.mjs': await read('../fixture/token.mjs'),
      'centrifuge.mjs': await read('../centrifuge-js/node_modules/centrifuge/dist/centrifuge.js')
    }
  }, {
    apiVersion: 'v1', kind: 'Pod', metadata: { name: 'followers', labels: { app: 'followers' } },
    spec: {
      restartPolicy: 'Never',
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, runAsUser: 65532, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [{
        name: 'followers', image: NODE_IMAGE,
        command: ['node', '--experimental-websocket', '/opt/followers/followers.mjs'],
        env: Object.entries(env).map(([name, value]) => ({ name, value: String(value) })),
        securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
        volumeMounts: [{ name: 'followers', mountPath: '/opt/followers' }]
      }],
      volumes: [{ name: 'followers', configMap: { name: 'followers' } }]
    }
  })
  await eventually('all clients are subscribed', 180_000, async () => (await account()).begun)
  for (const pod of await cluster.pods()) {
    const connections = await cluster.metric(pod.metadata.name, 'fanfare_connections')
    assert.ok(connections > CLIENTS / NODES / 2, `${pod.metadata.name} has ${connections}`)
  }
})

test('a setting that can be read again changes without a new pod or a lost connection', async () => {
  const names = async () => (await cluster.pods()).map(pod => pod.metadata.name).sort()
  const before = await names()
  const disconnects = JSON.stringify((await account()).disconnects)
  await upgrade(FANFARE_IMAGE, '--set=config.namespaces.later.client_subscribe=true')
  // The kubelet brings a ConfigMap into a pod within its sync period, a minute or so.
  for (const name of before) {
    await eventually(`${name} has read it`, 180_000, async () =>
      await cluster.metric(name, 'fanfare_config_reloads_total') >= 1)
    assert.equal(await cluster.metric(name, 'fanfare_config_reload_ok'), 1)
  }
  assert.deepEqual(await names(), before)
  assert.equal(JSON.stringify((await account()).disconnects), disconnects)
})

for (const [name, change] of [
  ['an upgrade to the next version', () => upgrade(AHEAD_IMAGE)],
  ['a rollback from it', () => cluster.helm('rollback', 'push', '--wait', '--timeout=8m')]
]) {
  test(`${name} brings every publication to every client, and no storm`, async t => {
    const before = await addsUp()
    await cluster.ask('followers', 8080, '/reset')
    const refused = async () => {
      const all = (await cluster.pods()).map(pod => cluster.metric(pod.metadata.name, 'fanfare_connections_refused_total'))
      return (await Promise.all(all)).reduce((sum, one) => sum + one, 0)
    }
    await change()
    await settles()
    const after = await addsUp()
    assert.equal(await refused(), 0)
    // Each node closes its connections evenly over the window, one node after the other.
    const most = Math.ceil(CLIENTS / (NODES - 1) / DRAIN.window * 2)
    assert.ok(after.reconnectsPerSecond <= most, `${after.reconnectsPerSecond} came back in a second, at most ${most}`)
    assert.ok(after.published > before.published)
    t.diagnostic(`${after.published - before.published} published, ${after.reconnectsPerSecond} reconnects in the fullest second`)
    t.diagnostic(JSON.stringify(after))
  })
}

test('a node that is killed takes nobody else along, and its clients miss nothing', async t => {
  const [victim] = await cluster.pods()
  const others = await account()
  const lost = await cluster.metric(victim.metadata.name, 'fanfare_connections')
  const total = disconnects => Object.values(disconnects).reduce((sum, one) => sum + one, 0)
  await cluster.kubectl('delete', 'pod', victim.metadata.name, '--grace-period=0', '--force')
  await sleep(3000)
  await settles()
  const now = await addsUp()
  const gone = total(now.disconnects) - total(others.disconnects)
  assert.ok(gone <= lost, `${gone} clients lost their connection, ${lost} were at the node`)
  t.diagnostic(`${lost} were at the node, ${gone} came back elsewhere`)
})

test('the number of nodes follows the number of connections', { skip: !HPA && 'HPA=1 shows it' }, async t => {
  const each = Math.floor(CLIENTS / (NODES + 1)) + 1
  await upgrade(FANFARE_IMAGE, `--set=autoscaling.enabled=true,autoscaling.minReplicas=${NODES}`,
    `--set=autoscaling.maxReplicas=${NODES + 2},autoscaling.connections=${each}`)
  await eventually('one more node is ready', 240_000, async () => {
    const deployment = await cluster.json('deployment', 'push-fanfare')
    return deployment.status.readyReplicas > NODES
  })
  const autoscaler = await cluster.json('hpa', 'push-fanfare')
  t.diagnostic(JSON.stringify(autoscaler.status.currentMetrics))
  await addsUp()
})

test('only those who are named reach the internal port', { skip: !NETWORK_POLICY && 'NETWORK_POLICY=1 shows it' }, async () => {
  // The nodes that an autoscaler added go first.
  await upgrade(FANFARE_IMAGE)
  await settles()
  const [node] = await cluster.pods()
  const reach = port => `fetch('http://${node.status.podIP}:${port}/livez', { signal: AbortSignal.timeout(3000) })` +
    `.then(a => console.log('reached', a.status), () => console.log('cut off'))`
  const ask = port => cluster.kubectl('exec', 'followers', '--', 'node', '-e', reach(port))
  assert.match(await ask(9000), /reached 200/)
  const policy = '--set=networkPolicy.enabled=true'
  await upgrade(FANFARE_IMAGE, policy)
  await eventually('strangers are cut off', 30_000, async () => /cut off/.test(await ask(9000)))
  assert.match(await ask(8000), /reached/)
  await cluster.helm('test', 'push', '--timeout=2m')
  const from = '--set-json=networkPolicy.internalFrom=[{"podSelector":{"matchLabels":{"app":"followers"}}}]'
  await upgrade(FANFARE_IMAGE, policy, from)
  await eventually('who is named gets in', 30_000, async () => /reached 200/.test(await ask(9000)))
})

test('everything that was published arrived everywhere, and nothing stays behind', async t => {
  await cluster.ask('followers', 8080, '/stop')
  await eventually('the account is whole', 60_000, async () => {
    const { received, expected, stopped } = await account()
    return stopped && received === expected
  })
  const all = await addsUp()
  t.diagnostic(JSON.stringify(all))
  await cluster.helm('uninstall', 'push', '--wait')
  await eventually('nothing is left', 60_000, async () => {
    const kinds = 'all,configmap,secret,poddisruptionbudget,networkpolicy,horizontalpodautoscaler'
    const left = await cluster.kubectl('get', kinds, '-l', 'app.kubernetes.io/instance=push', '-o', 'name')
    // Helm leaves the pod of its test.
    return left.replace('pod/push-fanfare-test\n', '').trim() === ''
  })
})
