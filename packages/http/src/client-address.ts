import { isIP } from 'node:net'
import type { FastifyRequest } from 'fastify'

/**
 * Which senders' `x-forwarded-for` is trusted: none (`false`), all (`true`), this number of proxies, or the listed
 * addresses and subnets.
 */
export type TrustProxy = boolean | number | string | string[]

/**
 * Translates the setting for Fastify. Given a number, Fastify trusts no proxy, because a number cannot exclude a client
 * that connects past the proxies. Here the operator guarantees that no client can.
 */
export function trustFunction(trust: TrustProxy): Exclude<TrustProxy, number> | Trust {
  return typeof trust === 'number' ? (_address, hop) => hop < trust : trust
}

type Trust = (address: string, hop: number) => boolean

/** The client's address. When the proxy's header holds no address, the peer of the connection. */
export function clientAddress(request: FastifyRequest): string {
  const { ip } = request
  return isIP(ip) === 0 ? (request.socket.remoteAddress ?? '') : ip
}
