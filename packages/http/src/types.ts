import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify'
import type { HotRead, HotRoute } from './hot-reply.ts'
import type { Lifecycle } from './lifecycle.ts'

/** The scope that a token grants; `admin` implies `write`. */
export type Scope = 'write' | 'admin'

/**
 * Which requests are refused first under overload, the last one first: replies that are usually in the cache, other reads, writes, reports.
 * Operational calls are never refused, and a reply that a hot route has at hand is sent before the limit.
 */
export type Priority = 'cached' | 'read' | 'write' | 'report'

/** A Fastify instance whose handlers get their types from TypeBox schemas. */
export type App = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The scope that the caller's token needs unless `auth` is `off`; without it the call is open. */
    scope?: Scope
    /** A call of the operator, not of a user: no rate limit, never refused when overloaded. */
    operational?: boolean
    /** `false`: requests are not counted by the rate limit. */
    rateLimit?: false
    /** Default: `cached` for a `GET` with a hot route, `read` for another one, `write` for other methods. */
    priority?: Priority
    /** Answers the plain case of a `GET` before Fastify; see `hot-reply.ts`. */
    hot?: HotRoute
    /** Reads the row that `hot` does not have at hand. */
    hotRead?: HotRead
  }
  interface FastifyRequest {
    /** The name of the token's holder; undefined when the call needs no token. */
    readonly caller: string | undefined
  }
  interface FastifyInstance {
    lifecycle: Lifecycle
  }
}
