// Between a node and its Redis, to spoil what comes back: publications that vanish, come twice, or are nonsense, and
// answers that take their time.

import { connect, createServer } from 'node:net'

const PUBLICATION = Buffer.from('*3\r\n$7\r\nmessage\r\n')
const LINES = 7

/** Starts one in front of a port. */
export async function startProxy(redisPort) {
  const proxy = { publications: 'pass', areAnswersLate: false, links: new Set() }
  const server = createServer(client => pass(proxy, client, connect(redisPort, '127.0.0.1')))
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  server.unref()
  proxy.url = `redis://127.0.0.1:${server.address().port}`
  /** Says nonsense on every connection that publications come by. */
  proxy.babble = () => proxy.links.forEach(link => link.isForPublications && link.client.write('nonsense\r\n'))
  return proxy
}

function pass(proxy, client, redis) {
  const link = { client, isForPublications: false, kept: Buffer.alloc(0), late: [] }
  proxy.links.add(link)
  client.on('data', bytes => redis.write(bytes))
  redis.on('data', bytes => {
    link.kept = Buffer.concat([link.kept, bytes])
    link.isForPublications ||= link.kept.includes(PUBLICATION)
    client.write(proxy.publications === 'pass' ? take(link, link.kept.length) : spoil(proxy, link))
  })
  const releases = setInterval(() => {
    const isHeld = proxy.areAnswersLate && !link.isForPublications
    if (isHeld !== redis.isPaused()) isHeld ? redis.pause() : redis.resume()
  }, 20)
  const end = () => {
    clearInterval(releases)
    proxy.links.delete(link)
    client.destroy()
    redis.destroy()
  }
  for (const socket of [client, redis]) socket.on('error', end).on('close', end)
}

/** What may be passed on of what is kept: publications not at all, or twice. */
function spoil(proxy, link) {
  const passed = []
  for (let start; (start = link.kept.indexOf(PUBLICATION)) >= 0;) {
    passed.push(take(link, start))
    const end = publicationEnd(link.kept)
    if (end < 0) return Buffer.concat(passed)
    const publication = take(link, end)
    if (proxy.publications === 'twice') passed.push(publication, publication)
  }
  passed.push(take(link, link.kept.length))
  return Buffer.concat(passed)
}

/** Behind the count of parts and three parts with their lengths; -1 if it has not come whole. */
function publicationEnd(bytes) {
  let at = 0
  for (let line = 0; line < LINES; line++) {
    const isLastLength = line === LINES - 2
    const end = bytes.indexOf('\r\n', at)
    if (end < 0) return -1
    if (isLastLength) {
      const whole = end + 2 + Number(bytes.toString('latin1', at + 1, end)) + 2
      return whole <= bytes.length ? whole : -1
    }
    at = end + 2
  }
  return at
}

function take(link, length) {
  const taken = link.kept.subarray(0, length)
  link.kept = link.kept.subarray(length)
  return taken
}
