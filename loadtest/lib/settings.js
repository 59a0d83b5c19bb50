// What a run is told by its environment: where the nodes are, how large it is, what it is held to.

const SECONDS_BY_UNIT = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400 }

/** What was read so far, for the report. Secrets never get here. */
export const settings = {}

export function text(name, fallback) {
  return note(name, read(name) ?? fallback)
}

export function number(name, fallback) {
  const value = Number(read(name) ?? fallback)
  if (!(value >= 0)) throw new Error(`${name} is ${read(name)}: give a number that is not negative`)
  return note(name, value)
}

/** A duration like `90s`, `5m` or `1h`, in seconds. */
export function seconds(name, fallback) {
  const value = read(name) ?? fallback
  const parts = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(value)
  if (!parts && value !== '0') throw new Error(`${name} is ${value}: give a duration like 90s, 5m or 1h`)
  note(name, value)
  return parts ? Number(parts[1]) * SECONDS_BY_UNIT[parts[2]] : 0
}

/** Several, separated by commas: they are taken in turn. */
function list(name, fallback) {
  return text(name, fallback).split(',').map(part => part.trim().replace(/\/+$/, '')).filter(Boolean)
}

function secret(name) {
  const value = read(name)
  if (!value) throw new Error(`${name} is not set: see loadtest/README.md`)
  return value
}

const read = name => __ENV[name]?.trim() || undefined

function note(name, value) {
  settings[name] = value
  return value
}

/** The nodes, and what gives access to them. */
export const nodes = {
  urls: list('FANFARE_URL', 'ws://localhost:8000/connection/websocket'),
  apis: list('FANFARE_PUBLISH_URL', 'http://localhost:9000'),
  apiKey: secret('FANFARE_API_KEY'),
  hmacSecret: secret('FANFARE_HMAC_SECRET'),
  issuer: text('FANFARE_ISSUER', ''),
  audience: text('FANFARE_AUDIENCE', ''),
  origin: text('FANFARE_ORIGIN', '')
}
