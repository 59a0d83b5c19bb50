// A client that speaks raw frames, so that it can stop reading, and say what no library would.

import { once } from 'node:events'
import { connect } from 'node:net'

const HANDSHAKE_MS_MAX = 10_000

export class Client {
  constructor(socket) {
    this.socket = socket
    this.requests = 0
    // Whatever comes is not looked at: the nodes' own figures are.
    socket.on('error', () => {}).resume()
  }

  /** Opens a connection; fails with the status if it is refused. */
  static async open(address, { path = '/connection/websocket', headers = [] } = {}) {
    const [host, port] = address.split(':')
    const socket = connect(Number(port), host)
    await once(socket, 'connect')
    const head = [
      `GET ${path} HTTP/1.1`, `Host: ${address}`, 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', ...headers, '', ''
    ]
    socket.write(head.join('\r\n'))
    const [answer] = await once(socket, 'data', { signal: AbortSignal.timeout(HANDSHAKE_MS_MAX) })
    const [status] = answer.toString('latin1').split('\r\n')
    if (!status.includes(' 101 ')) {
      socket.on('error', () => {}).destroy()
      throw new Error(status)
    }
    return new Client(socket)
  }

  /** Connects as a user, and subscribes. */
  static async enter(address, token, channels = [], options) {
    const client = await Client.open(address, options)
    client.ask('connect', { token })
    for (const channel of channels) client.ask('subscribe', { channel })
    return client
  }

  ask(command, request) {
    this.send(JSON.stringify({ id: ++this.requests, [command]: request }))
  }

  /** A text frame whose mask is four zeros. */
  send(text) {
    const payload = Buffer.from(text)
    const short = payload.length < 126
    const head = short ? Buffer.from([0x81, 0x80 | payload.length]) : Buffer.from([0x81, 0xfe, 0, 0])
    if (!short) head.writeUInt16BE(payload.length, 2)
    this.socket.write(Buffer.concat([head, Buffer.alloc(4), payload]))
  }

  stopReading() {
    this.socket.pause()
  }

  close() {
    this.socket.destroy()
  }
}
