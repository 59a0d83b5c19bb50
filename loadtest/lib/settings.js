// What a run is told by its environment: where the nodes are, how large it is, what it is held to.

const SECONDS_BY_UNIT = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400 }

/** What was read so far, for the report. Secrets never get here. */
export const settings = {}

export function text(name, fallback) {
  return note(name, read(name) ?? fallback)
}

/** How many there are of something, at least one. */
export function count(name, fallback) {
  return number(name, fallback, value => Number.isInteger(value) && value > 0, 'a whole number from 1')
}

/** A rate or a limit. */
export function positive(name, fallback) {
  return number(name, fallback, value => value > 0, 'a number above 0')
}

/** How many of all may fail; never all of them. */
export function share(name, fallback) {
  return number(name, fallback, value => value >= 0 && value < 1, 'a share from 0 to below 1, like 0.01')
}

/** A duration like `90s`, `5m` or `1h`, in seconds. */
export function seconds(name, fallback) {
  const value = read(name) ?? fallback
  const parts = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(value)
  if (!parts && value !== '0') refuse(name, 'a duration like 90s, 5m or 1h')
  note(name, value)
  return parts ? Number(parts[1]) * SECONDS_BY_UNIT[parts[2]] : 0
}

/** The same where nothing would happen in no time. */
export function period(name, fallback) {
  return seconds(name, fallback) || refuse(name, 'a duration above 0, like 90s, 5m or 1h')
}

function number(name, fallback, isFit, what) {
  const value = Number(read(name) ?? fallback)
  if (!Number.isFinite(value) || !isFit(value)) refuse(name, what)
  return note(name, value)
}

/** Several addresses, separated by commas. */
function addresses(name, fallback, scheme) {
  const parts = text(name, fallback).split(',').map(part => part.trim().replace(/\/+$/, '')).filter(Boolean)
  const isFit = part => part.startsWith(`${scheme}://`) || part.startsWith(`${scheme}s://`)
  if (parts.length === 0 || !parts.every(isFit)) refuse(name, `addresses that begin with ${scheme}:// or ${scheme}s://`)
  return parts
}

function secret(name) {
  const value = read(name)
  if (!value) throw new Error(`${name} is not set: see loadtest/README.md`)
  return value
}

function refuse(name, what) {
  throw new Error(`${name} is ${read(name)}: give ${what}`)
}

const read = name => __ENV[name]?.trim() || undefined

function note(name, value) {
  settings[name] = value
  return value
}

/** The nodes, and what gives access to them. */
export const nodes = {
  urls: addresses('FANFARE_URL', 'ws://localhost:8000/connection/websocket', 'ws'),
  apis: addresses('FANFARE_PUBLISH_URL', 'http://localhost:9000', 'http'),
  apiKey: secret('FANFARE_API_KEY'),
  hmacSecret: secret('FANFARE_HMAC_SECRET'),
  issuer: text('FANFARE_ISSUER', ''),
  audience: text('FANFARE_AUDIENCE', ''),
  origin: text('FANFARE_ORIGIN', '')
}
