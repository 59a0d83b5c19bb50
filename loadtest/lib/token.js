// Signs connection tokens, as a backend would.

import crypto from 'k6/crypto'
import encoding from 'k6/encoding'

import { nodes } from './settings.js'

const TTL_SECONDS = 7 * 86_400

/** A token of a user, good for longer than any run. */
export function token(user) {
  const claims = { sub: user, exp: Math.floor(Date.now() / 1000) + TTL_SECONDS }
  if (nodes.issuer) claims.iss = nodes.issuer
  if (nodes.audience) claims.aud = nodes.audience
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`
  return `${signed}.${crypto.hmac('sha256', nodes.hmacSecret, signed, 'base64rawurl')}`
}

const part = value => encoding.b64encode(JSON.stringify(value), 'rawurl')
