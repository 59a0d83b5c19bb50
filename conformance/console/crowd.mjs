// Many clients that do nothing but listen: a socket each, and as much of the protocol as that takes.

import { randomBytes } from 'node:crypto'
import { request } from 'node:http'

import { token } from '../fixture/node.mjs'

/** Connects a user and subscribes to channels, until `leave()`. It answers no pings, so the node must send none. */
export async function join(node, user, channels = []) {
  const headers = {
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': randomBytes(16).toString('base64')
  }
  const socket = await new Promise((resolve, reject) => {
    const asked = request(node.url.replace('ws:', 'http:'), { headers })
    asked.once('upgrade', (_, socket) => resolve(socket)).once('error', reject)
    asked.once('response', ({ statusCode }) => reject(new Error(`status ${statusCode}`))).end()
  })
  socket.on('error', () => {}).resume()
  const commands = [{ id: 1, connect: { token: token({ sub: user }) } }]
  channels.forEach((channel, index) => commands.push({ id: index + 2, subscribe: { channel } }))
  socket.write(frame(commands.map(command => JSON.stringify(command)).join('\n')))
  return { leave: () => socket.destroy() }
}

/** A text as one frame of a client, whose mask of zeros changes nothing. */
function frame(text) {
  const FINAL_TEXT = 0x81, MASKED = 0x80, TWO_BYTES = 126
  const payload = Buffer.from(text)
  const head = payload.length < TWO_BYTES
    ? [FINAL_TEXT, MASKED | payload.length]
    : [FINAL_TEXT, MASKED | TWO_BYTES, payload.length >> 8, payload.length & 0xff]
  return Buffer.concat([Buffer.from([...head, 0, 0, 0, 0]), payload])
}
