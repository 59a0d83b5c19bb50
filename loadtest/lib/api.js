// The server API, as backends call it: in turn at several addresses, again where that is safe.

import { sleep } from 'k6'
import http from 'k6/http'

import { nodes } from './settings.js'

const ACCEPT_SECONDS_MAX = 30
const PAUSE_SECONDS = 0.2
const headers = { 'Content-Type': 'application/json', 'X-API-Key': nodes.apiKey }

let turn = 0

/** Calls a method once. Returns `{ result }` or `{ failure }`. */
export function call(method, request) {
  const address = nodes.apis[turn % nodes.apis.length]
  const response = http.post(`${address}/api/${method}`, JSON.stringify(request), {
    headers, timeout: '5s', tags: { name: method }
  })
  if (response.status !== 200) {
    turn++
    return { failure: `status ${response.status} ${response.error || response.body}`.trim() }
  }
  const answer = response.json()
  return answer.error ? { failure: `${answer.error.code} ${answer.error.message}` } : { result: answer.result ?? answer }
}

/** Calls a method until it succeeds, at one address after the other; for what does no harm when it is done twice. */
export function callUntilAccepted(method, request) {
  const end = Date.now() + ACCEPT_SECONDS_MAX * 1000
  for (;;) {
    const answer = call(method, request)
    if (!answer.failure || Date.now() > end) return answer
    turn++
    sleep(PAUSE_SECONDS)
  }
}
