// The page on publishing through Redis, tried out: its files are written as they stand there and run, its commands
// too, as users with the rights that it names. What is published is heard by `fanfare subscribe` at a real node.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import { subscribe } from '../fixture/cli.mjs'
import { eventually, startNode, token } from '../fixture/node.mjs'
import { startRedis } from '../fixture/redis.mjs'

const run = promisify(execFile)
const HERE = dirname(fileURLToPath(import.meta.url))
const ROOT = join(HERE, '../..')
const LINES_MAX = 26

const pages = await Promise.all(['publish-from-redis', 'redis'].map(name => readFile(join(ROOT, `docs/${name}.md`), 'utf8')))
const blocks = [...pages[0].matchAll(/(?:`([\w.]+)`:\n\n)?```(\w*)\n([^]*?)```/g)]
  .map(([, file, kind, text]) => ({ file, kind, text }))
const files = blocks.filter(({ file }) => file)
const commands = blocks.filter(({ kind }) => kind === 'sh').flatMap(({ text }) => text.trim().split('\n'))
const rights = user => pages.flatMap(page => page.split('\n')).filter(line => line.startsWith(`ACL SETUSER ${user} `))
  .map(line => line.replaceAll('>PASSWORD', '>secret').split(' '))

const SETTINGS = {
  'channels.client_subscribe': true,
  'namespaces.chat.client_subscribe': true,
  'namespaces.chat.history_size': 10,
  'namespaces.chat.history_ttl': '1m'
}
const PROGRAMS = { py: [process.env.PYTHON], mjs: ['node'], go: ['go', 'run', '-mod=readonly'] }

const directory = await mkdtemp(join(tmpdir(), 'fanfare-backends-'))
after(() => rm(directory, { recursive: true, force: true }))

before(async () => {
  for (const { file, text } of files) await writeFile(join(directory, file), text)
  for (const file of ['go.mod', 'go.sum']) await copyFile(join(HERE, file), join(directory, file))
  await symlink(join(HERE, 'node_modules'), join(directory, 'node_modules'))
  await symlink(join(ROOT, 'crates'), join(directory, 'crates'))
  // The page's commands find the Redis of the test instead of one at the usual port.
  await mkdir(join(directory, 'bin'))
  const real = (await run('which', ['redis-cli'])).stdout.trim()
  await writeFile(join(directory, 'bin/redis-cli'), `#!/bin/sh\nexec ${real} -e -u "$REDIS_URL" "$@"\n`)
  await chmod(join(directory, 'bin/redis-cli'), 0o755)
})

test('the packages to install are those that are tested', async () => {
  const named = tool => pages[0].match(new RegExp(`\`${tool} ([^\`]+)\``))[1]
  const { dependencies } = JSON.parse(await readFile(join(HERE, 'package.json'), 'utf8'))
  assert.deepEqual(Object.keys(dependencies), [named('npm install')])
  assert.match(await readFile(join(HERE, 'requirements.txt'), 'utf8'), new RegExp(`^${named('pip install')}==`, 'm'))
  assert.match(await readFile(join(HERE, 'go.mod'), 'utf8'), new RegExp(`^require ${named('go get')} v`, 'm'))
})

test('every language has both files, and they are short', () => {
  assert.deepEqual(files.map(({ file }) => file).sort(),
    Object.keys(PROGRAMS).flatMap(kind => [`publish.${kind}`, `cluster.${kind}`]).sort())
  for (const { file, text } of files) assert.ok(text.trimEnd().split('\n').length <= LINES_MAX, file)
})

for (const isCluster of [false, true]) {
  const place = isCluster ? 'Redis Cluster' : 'one Redis'
  for (const kind of Object.keys(PROGRAMS)) {
    const file = `${isCluster ? 'cluster' : 'publish'}.${kind}`
    test(`${file} is heard, and its second run repeats nothing that is kept: ${place}`, async () => {
      await withNode({ isCluster }, async ({ redis, node }) => {
        const url = await admit(redis, 1)
        const heard = await listen(node, ['news', 'chat:1'], 3)
        const [program, ...flags] = PROGRAMS[kind]
        const options = { cwd: directory, env: environment(url), timeout: 200_000 }
        for (let times = 0; times < 2; times++) await run(program, [...flags, file], options)
        const found = await heard.all()
        assert.deepEqual(found.map(({ channel }) => channel).sort(), ['chat:1', 'news', 'news'])
        assert.deepEqual(found.find(({ channel }) => channel === 'news').data, { text: 'now or never' })
        const kept = found.find(({ channel }) => channel === 'chat:1')
        assert.equal(kept.offset, 1)
        if (!isCluster) assert.deepEqual(kept.tags, { lang: 'en' })
      })
    })
  }

  test(`redis-cli is heard: ${place}`, async () => {
    await withNode({ isCluster }, async ({ redis, node }) => {
      const url = await admit(redis, 1)
      const chosen = commands.filter(line => line.startsWith(isCluster ? 'redis-cli -c' : 'redis-cli '))
        .filter(line => isCluster || !/ -c |EVALSHA/.test(line))
      assert.equal(chosen.length, 2)
      const heard = await listen(node, ['news', 'chat:1'], 2)
      for (const line of chosen) await shell(line, url)
      const [news, kept] = (await heard.all()).sort((a, b) => b.channel.localeCompare(a.channel))
      assert.deepEqual([news.data, kept.data, kept.offset], [{ text: 'It works' }, { text: 'kept, too' }, 1])
    })
  })
}

test('without histories, fewer rights are enough, and they are in force', async () => {
  await withNode({}, async ({ redis, node }) => {
    const url = await admit(redis, 0)
    const heard = await listen(node, ['news'], 1)
    await shell(commands.find(line => line.includes('PUBLISH')), url)
    assert.deepEqual((await heard.all())[0].data, { text: 'It works' })
    await assert.rejects(shell(`redis-cli FCALL fanfare_publish 1 fanfare:ch:chat:1 1`, url), /NOPERM/)
    await assert.rejects(shell(`redis-cli PUBLISH fanfare:x 1`, url), /NOPERM/)
  })
})

test('rights can end at a namespace', async () => {
  await withNode({}, async ({ redis, node }) => {
    const [narrow] = pages[0].match(/~fanfare:ch:chat:\* [^`]+/)
    const words = rights('backend')[1].filter(word => !/^[~&]/.test(word))
    await redis.cli(...words, ...narrow.split(' '))
    const url = asBackend(redis)
    const heard = await listen(node, ['chat:1'], 1)
    await shell(`redis-cli FCALL fanfare_publish 1 fanfare:ch:chat:1 '"mine"' key k`, url)
    assert.equal((await heard.all())[0].data, 'mine')
    await assert.rejects(shell(`redis-cli FCALL fanfare_publish 1 fanfare:ch:news 1`, url), /NOPERM|ERR/)
  })
})

test('nodes do with the least rights, in one Redis, without Functions, and in Redis Cluster', async () => {
  const lines = rights('fanfare')
  assert.equal(lines.length, 3)
  for (const [at, words] of lines.entries()) {
    const isCluster = at === 2
    const redis = await startRedis({ isCluster })
    await redis.cli(...words)
    await redis.cli('ACL', 'SETUSER', 'default', 'resetpass', '>other')
    const node = await startNode({
      ...SETTINGS, 'redis.url': redis.url, 'redis.username': 'fanfare', 'redis.password': 'secret'
    })
    try {
      const heard = await listen(node, ['news', 'chat:1'], 2)
      await node.api('publish', { channel: 'news', data: 1 })
      assert.equal((await node.api('publish', { channel: 'chat:1', data: 2, idempotency_key: 'k' })).offset, 1)
      assert.equal((await heard.all()).length, 2)
      assert.equal((await node.api('history', { channel: 'chat:1', limit: 10 })).publications.length, 1)
      await node.api('history_remove', { channel: 'chat:1' })
      assert.equal(await node.metric('fanfare_redis_failures_total'), 0, words.join(' '))
      await node.stop()
    } finally {
      node.kill()
      await redis.stop()
    }
  }
})

test('the script is the one that nodes load, and publishes as the function does', async () => {
  const redis = await startRedis()
  const words = rights('fanfare')[1]
  await redis.cli(...words)
  const node = await startNode({
    ...SETTINGS, 'redis.url': redis.url, 'redis.username': 'fanfare', 'redis.password': 'secret'
  })
  try {
    const text = blocks.find(block => block.text.startsWith('SHA=')).text
    const heard = await listen(node, ['chat:1'], 1)
    const load = text.slice(0, text.indexOf('redis-cli EVALSHA')).replace('redis-cli -x SCRIPT LOAD', 'sha1sum')
    const sha = (await shell(`${load}echo "$SHA"`, redis.url)).slice(0, 40)
    assert.equal((await redis.cli('SCRIPT', 'EXISTS', sha)).trim(), '1', 'the nodes have loaded it')
    assert.match(await shell(text, redis.url), /^\d+\n1\n$/)
    assert.deepEqual((await heard.all())[0].data, { text: 'kept, too' })
    await node.stop()
  } finally {
    node.kill()
    await redis.stop()
  }
})

test('arguments and answers are what the table says', async () => {
  await withNode({}, async ({ redis, node }) => {
    const call = (...words) => redis.cli('FCALL', 'fanfare_publish', '1', 'fanfare:ch:chat:1', ...words)
    const answer = async (...words) => (await call(...words)).split('\n').map(Number)
    const [epoch, first] = await answer('1', 'key', 'k')
    assert.equal(first, 1)
    assert.deepEqual(await answer('2', 'key', 'k'), [epoch, 1, 1])
    assert.deepEqual(await answer('3', 'version', '7'), [epoch, 2])
    assert.deepEqual(await answer('4', 'version', '7'), [epoch, 2, 1])
    assert.deepEqual(await answer('5', 'version', '1', 'version_epoch', 'b'), [epoch, 3])
    assert.deepEqual(await answer('6', 'size', '0'), [0, 0])
    assert.deepEqual(await answer('6', 'size', '0', 'key', 'z'), [0, 0])
    assert.deepEqual(await answer('6', 'size', '0', 'key', 'z'), [0, 0, 1])
    for (const wrong of [['{}}'], ['hello'], ['1', 'size', '-1'], ['1', 'ttl', '0'], ['1', 'kee', 'k'], ['1', 'key', ''],
      ['1', 'version_epoch', 'b'], ['1', 'size', '0', 'version', '9'], ['1', 'tags', '[]']]) {
      await assert.rejects(call(...wrong), /FANFARE/, wrong.join(' '))
    }
    const { epoch: shown, offset } = await node.api('history', { channel: 'chat:1' })
    assert.deepEqual([parseInt(shown, 16), shown.length, offset], [epoch, 8, 3])
  })
})

test('the rules are those of the nodes, or the defaults', async () => {
  await withNode({}, async ({ redis, node }) => {
    const rules = name => redis.cli('HMGET', `fanfare:meta:${name}`, 's', 'l', 'm')
    const heard = await listen(node, ['chat:1'], 1)
    assert.equal(await rules('chat:1'), '10\n60000\n2592000000')
    for (const name of ['chat:1', 'chat:2']) await redis.cli('FCALL', 'fanfare_publish', '1', `fanfare:ch:${name}`, '1')
    const left = async name => Math.round(await redis.cli('PTTL', `fanfare:${name}`) / 1000)
    assert.deepEqual([await left('ch:chat:1'), await left('ch:chat:2')], [60, 300])
    assert.equal(await left('meta:chat:2'), 2_592_000)
    await heard.all()
  })
})

test('what has no place or is no JSON is dropped and counted, and harms nobody', async () => {
  await withNode({ 'api.publication_size': '64KiB' }, async ({ redis, node }) => {
    const heard = await listen(node, ['news', 'chat:1'], 2)
    await redis.cli('PUBLISH', 'fanfare:ch:chat:1', '1')
    for (const bad of ['hello', '{}}\n{"push":{}}', `"${'x'.repeat(65_536)}"`]) {
      await redis.cli('PUBLISH', 'fanfare:ch:news', bad)
    }
    assert.equal(await redis.cli('PUBLISH', 'fanfare:ch:news', '{\n  "a": 1\n}'), '1', 'one node, however many clients')
    await redis.cli('FCALL', 'fanfare_publish', '1', 'fanfare:ch:chat:1', '2')
    const found = (await heard.all()).map(({ data }) => JSON.stringify(data)).sort()
    assert.deepEqual(found, ['2', '{"a":1}'])
    await eventually(async () => await node.metric('fanfare_redis_malformed_total') === 3, 'three are counted')
    assert.equal(await node.metric('fanfare_publications_lost_total'), 1)
  })
})

test('a payload that is too large for the nodes breaks a history, and subscribers are told', async () => {
  await withNode({ 'api.publication_size': '64KiB' }, async ({ redis, node }) => {
    const heard = await listen(node, ['chat:1'], 2)
    await redis.cli('FCALL', 'fanfare_publish', '1', 'fanfare:ch:chat:1', '1')
    await redis.cli('FCALL', 'fanfare_publish', '1', 'fanfare:ch:chat:1', `"${'x'.repeat(65_536)}"`)
    await redis.cli('FCALL', 'fanfare_publish', '1', 'fanfare:ch:chat:1', '3')
    await assert.rejects(heard.all(), /unsubscribed from chat:1: 2500/)
  })
})

/** Runs a test with a Redis and a node that uses it. */
async function withNode({ isCluster = false, ...settings }, act) {
  const redis = await startRedis({ isCluster })
  try {
    const node = await startNode({ ...SETTINGS, 'redis.url': redis.url, ...settings })
    try {
      await act({ redis, node })
      await node.stop()
    } finally {
      node.kill()
    }
  } finally {
    await redis.stop()
  }
}

/** Gives the page's backend its rights, those of the numbered line, and in a cluster what the page adds there. */
async function admit(redis, line) {
  const [more] = pages[0].match(/\+cluster\|slots [^`]+/)
  const isCluster = (await redis.cli('INFO', 'cluster')).includes('cluster_enabled:1')
  await redis.cli(...rights('backend')[line], ...isCluster ? more.split(' ') : [])
  return asBackend(redis)
}

function asBackend(redis) {
  return redis.url.replace('//', '//backend:secret@')
}

function environment(url) {
  return { ...process.env, REDIS_URL: url, PATH: `${join(directory, 'bin')}:${process.env.PATH}` }
}

async function shell(text, url) {
  const options = { cwd: directory, env: environment(url), timeout: 20_000 }
  return (await run('bash', ['-euc', text], options)).stdout
}

function listen(node, channels, count) {
  return subscribe(node.url, token({ sub: 'alice' }), channels, count)
}
