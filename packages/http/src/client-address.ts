import { isIP } from 'node:net'
import type { FastifyRequest } from 'fastify'

/** Whose `x-forwarded-for` is believed: nobody's, anybody's, that many proxies', or that of addresses and subnets. */
export type TrustProxy = boolean | number | string | string[]

/**
 * For Fastify, which takes a number but then trusts nobody, since a number cannot know a caller that did not come
 * through the proxies. That no caller can is up to whoever sets it.
 */
export function trustFunction(trust: TrustProxy): Exclude<TrustProxy, number> | Trust {
  return typeof trust === 'number' ? (_address, hop) => hop < trust : trust
}

type Trust = (address: string, hop: number) => boolean

/** The caller's address; that of the connection when what the proxy said is none. */
export function clientAddress(request: FastifyRequest): string {
  const { ip } = request
  return isIP(ip) === 0 ? (request.socket.remoteAddress ?? '') : ip
}
