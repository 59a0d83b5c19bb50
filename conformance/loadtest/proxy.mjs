// A proxy that knows WebSocket frames and the lines in them: it drops, repeats, garbles or swaps one publication, and no more.

import { createServer, connect } from 'node:net'

const VICTIM_NTH = 10
const HEAD_END = '\r\n\r\n'
const TEXT = 1

/** What becomes of the publication that is chosen, and of the next one of that connection. Both return lines. */
const FAULTS = {
  none: { chosen: line => [line], next: (_, line) => [line] },
  drop: { chosen: () => [], next: (_, line) => [line] },
  repeat: { chosen: line => [line, line], next: (_, line) => [line] },
  garble: { chosen: () => ['{'], next: (_, line) => [line] },
  swap: { chosen: () => [], next: (held, line) => [line, held] }
}

/** Starts it before `target`, like `127.0.0.1:8000`. The tenth publication of the first connection to have ten is it. */
export async function startProxy(target, fault) {
  const [host, port] = target.split(':')
  const proxy = { victim: undefined, fault: FAULTS[fault] }
  const server = createServer(client => {
    const node = connect({ host, port: Number(port) })
    const connection = new Connection(proxy)
    client.pipe(node)
    node.on('data', bytes => client.write(connection.take(bytes)))
    node.on('end', () => client.end())
    for (const [one, other] of [[client, node], [node, client]]) one.on('error', () => other.destroy())
  })
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  proxy.url = `ws://127.0.0.1:${server.address().port}/connection/websocket`
  proxy.stop = () => server.close()
  return proxy
}

/** What a node sends to one client. */
class Connection {
  #proxy
  #bytes = Buffer.alloc(0)
  #isUpgraded = false
  #publications = 0
  #held

  constructor(proxy) {
    this.#proxy = proxy
  }

  /** Takes bytes and returns those that can be passed on. */
  take(bytes) {
    this.#bytes = Buffer.concat([this.#bytes, bytes])
    const out = []
    if (!this.#isUpgraded) {
      const end = this.#bytes.indexOf(HEAD_END)
      if (end < 0) return Buffer.alloc(0)
      out.push(this.#cut(end + HEAD_END.length))
      this.#isUpgraded = true
    }
    for (let frame; (frame = this.#frame());) out.push(frame)
    return Buffer.concat(out)
  }

  #cut(length) {
    const part = this.#bytes.subarray(0, length)
    this.#bytes = this.#bytes.subarray(length)
    return part
  }

  /** The next whole frame, changed if it is a text; undefined if it is not whole. */
  #frame() {
    if (this.#bytes.length < 2) return undefined
    const short = this.#bytes[1] & 0x7f
    const head = { 126: 4, 127: 10 }[short] ?? 2
    if (this.#bytes.length < head) return undefined
    const length = head === 4 ? this.#bytes.readUInt16BE(2) : head === 10 ? Number(this.#bytes.readBigUInt64BE(2)) : short
    if (this.#bytes.length < head + length) return undefined
    const frame = this.#cut(head + length)
    if ((frame[0] & 0x0f) !== TEXT) return frame
    const lines = frame.subarray(head).toString().split('\n').flatMap(line => this.#line(line))
    return lines.length > 0 ? textFrame(lines.join('\n')) : Buffer.alloc(0)
  }

  #line(line) {
    if (JSON.parse(line).push?.pub?.data.sequence === undefined) return [line]
    this.#publications++
    const { fault } = this.#proxy
    if (this.#publications === VICTIM_NTH && !this.#proxy.victim) {
      this.#proxy.victim = this
      this.#held = line
      return fault.chosen(line)
    }
    return this.#proxy.victim === this && this.#publications === VICTIM_NTH + 1 ? fault.next(this.#held, line) : [line]
  }
}

function textFrame(text) {
  const payload = Buffer.from(text)
  if (payload.length < 126) return Buffer.concat([Buffer.from([0x80 | TEXT, payload.length]), payload])
  const head = Buffer.alloc(payload.length < 65_536 ? 4 : 10)
  head[0] = 0x80 | TEXT
  head[1] = head.length === 4 ? 126 : 127
  if (head.length === 4) head.writeUInt16BE(payload.length, 2)
  else head.writeBigUInt64BE(BigInt(payload.length), 2)
  return Buffer.concat([head, payload])
}
