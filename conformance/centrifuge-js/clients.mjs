// Clients of the SDK under test, and waits that end.

import { Centrifuge } from 'centrifuge'
import WebSocket from 'ws'

import { token } from '../fixture/node.mjs'

const WAIT_MS_MAX = 10_000

const open = new Set()

/** A client of the user, not yet connected. It is closed after the test that made it. */
export function client(node, user, options = {}) {
  const credentials = options.getToken || user === undefined ? {} : { token: token({ sub: user }) }
  const made = new Centrifuge(node.url, {
    websocket: WebSocket,
    minReconnectDelay: 50,
    maxReconnectDelay: 500,
    ...credentials,
    ...options
  })
  open.add(made)
  return made
}

/** The same, connected. */
export async function connected(node, user, options) {
  const made = client(node, user, options)
  made.connect()
  await made.ready(WAIT_MS_MAX)
  return made
}

/** A subscription that the server has granted. */
export async function subscribed(made, channel, options) {
  const subscription = made.newSubscription(channel, options)
  subscription.subscribe()
  await subscription.ready(WAIT_MS_MAX)
  return subscription
}

export function closeClients() {
  open.forEach(made => made.disconnect())
  open.clear()
}

/** The next event of that name: call it before what causes the event. */
export function next(emitter, name, ms = WAIT_MS_MAX) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no event "${name}" within ${ms} ms`)), ms)
    emitter.once(name, context => {
      clearTimeout(timer)
      resolve(context)
    })
  })
}

/** Everything of that name from here on. */
export function collect(emitter, name) {
  const contexts = []
  emitter.on(name, context => contexts.push(context))
  return contexts
}

export const pause = ms => new Promise(resolve => setTimeout(resolve, ms))
