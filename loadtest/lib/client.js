// One client of the native protocol: connects, subscribes, answers pings, comes back and recovers, as SDKs do.

import exec from 'k6/execution'

import * as metrics from './metrics.js'
import { nodes } from './settings.js'
import { token } from './token.js'

const CONNECT_DEADLINE_MS = 10_000
const PAUSE_MS_MIN = 200
const PAUSE_MS_MAX = 10_000
const INTENTIONAL_CLOSE = 1000

const WebSocket = webSocket()

/** Newer versions of k6 warn of the second name, older ones have it alone. */
function webSocket() {
  try {
    return require('k6/websockets').WebSocket
  } catch {
    return require('k6/experimental/websockets').WebSocket
  }
}

export class Client {
  #channels
  #listener
  #token
  #dials
  #socket
  #timer
  #failures = 0
  #isConnected = false
  #isWanted = false
  #awaySince
  #lastId = 0
  #replyById = new Map()
  #positionByChannel = new Map()
  #pending = new Set()

  /**
   * A client with a number of its own, which chooses the node it begins with. The listener has any of
   * `onPublication(channel, publication, isRecovered)`, `onLive(client)` once every subscription stands, and
   * `onMovement(channel, join, leave)`.
   */
  constructor(user, nth, channels, listener) {
    this.#channels = channels
    this.#listener = listener
    this.#token = token(user)
    this.#dials = nth
  }

  open() {
    this.#isWanted = true
    this.#dial()
  }

  /** Leaves for good. */
  close() {
    this.#isWanted = false
    clearTimeout(this.#timer)
    this.#socket?.close(INTENTIONAL_CLOSE)
  }

  /** Ends the connection and comes back at once. */
  cut() {
    if (!this.#isConnected || !this.#isWanted) return
    const socket = this.#socket
    this.#socket = undefined
    socket.close(INTENTIONAL_CLOSE)
    this.#leave()
    this.#dial()
  }

  /** Sends a command and hands its reply to `onReply`. It is forgotten if the connection ends before. */
  ask(command, onReply) {
    this.#socket.send(this.#command(command, onReply))
  }

  #dial() {
    const began = Date.now()
    const url = nodes.urls[this.#dials++ % nodes.urls.length]
    const socket = new WebSocket(url, null, nodes.origin ? { headers: { Origin: nodes.origin } } : {})
    let end = ''
    this.#socket = socket
    this.#lastId = 0
    this.#replyById.clear()
    this.#timer = setTimeout(() => this.#abandon(socket, 'no answer in time'), CONNECT_DEADLINE_MS)
    socket.onopen = () => {
      if (socket !== this.#socket) return
      this.ask({ connect: { token: this.#token } }, reply => this.#onConnected(reply, socket, began))
    }
    socket.onmessage = ({ data }) => {
      for (const line of data.split('\n')) if (socket === this.#socket) this.#take(JSON.parse(line))
    }
    socket.onerror = ({ error }) => { end = String(error) }
    socket.onclose = () => { if (socket === this.#socket) this.#onClosed(end) }
  }

  #onConnected({ error }, socket, began) {
    if (error) {
      this.#abandon(socket, `connect is answered with ${error.code}`)
      return
    }
    clearTimeout(this.#timer)
    this.#isConnected = true
    this.#failures = 0
    metrics.connectFailed.add(false)
    metrics.connectMs.add(Date.now() - began)
    this.#subscribe(this.#channels)
    if (this.#channels.length === 0) this.#settle()
  }

  /** All in one frame, as SDKs do. */
  #subscribe(channels) {
    channels.forEach(channel => this.#pending.add(channel))
    const commands = channels.map(channel => {
      const position = this.#positionByChannel.get(channel)
      const subscribe = position ? { channel, recover: true, ...position } : { channel }
      return this.#command({ subscribe }, reply => this.#onSubscribed(channel, reply))
    })
    if (commands.length > 0) this.#socket.send(commands.join('\n'))
  }

  #onSubscribed(channel, { error, subscribe: result }) {
    if (error) {
      if (!error.temporary) exec.test.abort(`${channel} is refused with ${error.code} ${error.message}: see loadtest/README.md`)
      this.#again(channel)
      return
    }
    if (result.recoverable) this.#positionByChannel.set(channel, { offset: result.offset ?? 0, epoch: result.epoch })
    if (result.was_recovering && !result.recovered) metrics.unrecovered.add(1)
    for (const publication of result.publications ?? []) this.#onPublication(channel, publication, true)
    this.#pending.delete(channel)
    this.#settle()
  }

  /** Subscribes after a pause, unless another connection has been made by then. */
  #again(channel) {
    const socket = this.#socket
    setTimeout(() => {
      if (socket === this.#socket && this.#isConnected && this.#isWanted) this.#subscribe([channel])
    }, PAUSE_MS_MIN * (1 + Math.random()))
  }

  #settle() {
    if (this.#pending.size > 0) return
    if (this.#awaySince !== undefined) metrics.awayMs.add(Date.now() - this.#awaySince)
    this.#awaySince = undefined
    this.#listener.onLive?.(this)
  }

  #take(answer) {
    if (answer.id) {
      const onReply = this.#replyById.get(answer.id)
      this.#replyById.delete(answer.id)
      onReply?.(answer)
    } else if (answer.push) {
      this.#onPush(answer.push)
    } else {
      this.#socket.send('{}')
    }
  }

  #onPush({ channel, pub, unsubscribe, join, leave }) {
    if (pub) {
      this.#onPublication(channel, pub, false)
    } else if (unsubscribe) {
      metrics.lapsed.add(1)
      this.#pending.add(channel)
      this.#again(channel)
    } else if (join || leave) {
      this.#listener.onMovement?.(channel, join, leave)
    }
  }

  #onPublication(channel, publication, isRecovered) {
    const position = this.#positionByChannel.get(channel)
    if (position && publication.offset) position.offset = publication.offset
    this.#listener.onPublication?.(channel, publication, isRecovered)
  }

  /** Gives a connection up whose connect was not granted. */
  #abandon(socket, why) {
    if (socket !== this.#socket) return
    this.#onClosed(why)
    socket.close(INTENTIONAL_CLOSE)
  }

  #onClosed(end) {
    const code = Number(/close (\d+)/.exec(end)?.[1] ?? 0)
    const isConnected = this.#isConnected
    this.#socket = undefined
    clearTimeout(this.#timer)
    if (!this.#isWanted) return
    if (isFinal(code)) exec.test.abort(`a client is sent away for good: ${end}`)
    this.#leave()
    if (!isConnected) {
      metrics.connectFailed.add(true)
      if (this.#failures++ === 0) console.warn(`a connect failed: ${end}`)
    }
    const pause = Math.min(PAUSE_MS_MIN * 2 ** this.#failures, PAUSE_MS_MAX)
    this.#timer = setTimeout(() => this.#dial(), Math.random() * pause)
  }

  #leave() {
    if (!this.#isConnected) return
    this.#isConnected = false
    this.#awaySince = Date.now()
    metrics.reconnects.add(1)
  }

  #command(command, onReply) {
    const id = ++this.#lastId
    this.#replyById.set(id, onReply)
    return JSON.stringify({ id, ...command })
  }
}

/** Codes after which SDKs stay away. */
const isFinal = code => (code >= 3500 && code < 4000) || (code >= 4500 && code < 5000)
