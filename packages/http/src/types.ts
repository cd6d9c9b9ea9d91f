import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify'
import type { Lifecycle } from './lifecycle.ts'

/** What a call needs when `auth` is `token`; `admin` implies `write`. */
export type Scope = 'write' | 'admin'

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
    /** The scope that the caller's token needs when `auth` is `token`; without it the call is open. */
    scope?: Scope
    /** Calls of the platform rather than of users: no rate limit, never refused when overloaded. */
    operational?: boolean
  }
  interface FastifyRequest {
    /** The name of the token that the call was let in with; undefined when it needed none. */
    readonly caller: string | undefined
  }
  interface FastifyInstance {
    lifecycle: Lifecycle
  }
}
