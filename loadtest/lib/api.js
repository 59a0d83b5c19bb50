// The server API, as backends call it: at one of several addresses until it fails there, again where that is safe.

import { sleep } from 'k6'
import http from 'k6/http'

import { nodes } from './settings.js'

const ACCEPT_SECONDS_MAX = 30
const PAUSE_SECONDS = 0.2
const headers = { 'Content-Type': 'application/json', 'X-API-Key': nodes.apiKey }

let turn = 0

/** Begins at another address than publishers with other numbers; what fails moves on to the next. */
export function beginAt(nth) {
  turn = nth
}

/** Calls a method once. Returns `{ result }` or `{ failure }`. */
export function call(method, request) {
  const address = nodes.apis[turn % nodes.apis.length]
  const response = http.post(`${address}/api/${method}`, JSON.stringify(request), {
    headers, timeout: '5s', tags: { name: method }
  })
  const { failure, result } = read(response)
  if (!failure) return { result }
  turn++
  return { failure: `${address}: ${failure}` }
}

/** Calls a method until it succeeds, at one address after the other; for what does no harm when it is done twice. */
export function callUntilAccepted(method, request) {
  const end = Date.now() + ACCEPT_SECONDS_MAX * 1000
  for (;;) {
    const answer = call(method, request)
    if (!answer.failure || Date.now() > end) return answer
    sleep(PAUSE_SECONDS)
  }
}

function read(response) {
  if (response.status !== 200) return { failure: `status ${response.status} ${response.error || response.body}`.trim() }
  const answer = response.json()
  return answer.error ? { failure: `${answer.error.code} ${answer.error.message}` } : { result: answer.result ?? answer }
}
