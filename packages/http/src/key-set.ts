import { coalesce } from '@reference/async'
import { AppError } from '@reference/errors'
import type { FastifyBaseLogger } from 'fastify'
import type { createLocalJWKSet, JWTVerifyGetKey } from 'jose'

/** Times and sizes of a {@link KeySet}. */
export interface KeySetLimits {
  /** Of one fetch. */
  readonly timeoutMs: number
  /** Keys older than half of it are fetched again in the background, older ones before their next use. */
  readonly maxAgeMs: number
  /** How long keys are used while the set cannot be fetched. A key that the issuer has withdrawn is accepted no longer than that. */
  readonly maxUseMs: number
  /** At least this time lies between a fetch that succeeded and one for a key that it lacked. */
  readonly cooldownMs: number
  /** At least this time lies between a fetch that failed and the next. */
  readonly retryMs: number
  readonly maxBytes: number
}

const LIMITS: KeySetLimits = {
  timeoutMs: 2_000,
  maxAgeMs: 600_000,
  maxUseMs: 3_600_000,
  cooldownMs: 10_000,
  retryMs: 2_000,
  maxBytes: 262_144,
}

export interface KeySetOptions {
  readonly url: string
  readonly log: FastifyBaseLogger
  /** From jose, which is loaded only where it is used. */
  readonly createLocalJWKSet: typeof createLocalJWKSet
  readonly limits?: Partial<KeySetLimits> | undefined
}

/**
 * The public keys of an issuer, fetched from its URL.
 *
 * `createRemoteJWKSet` of jose fetches for each request while the issuer is unreachable, refuses every token once its keys are older
 * than their age, and reads a body of any size. Here a failed fetch is followed by a pause, and keys stay in use for a bounded time.
 */
export class KeySet {
  readonly #options: KeySetOptions
  readonly #limits: KeySetLimits
  readonly #closed = new AbortController()
  #keys: JWTVerifyGetKey | undefined
  #fetchedAt = Number.NEGATIVE_INFINITY
  #failure: { readonly error: AppError; readonly at: number } | undefined
  readonly #readOnce = coalesce(() => this.#read())

  constructor(options: KeySetOptions) {
    this.#options = options
    this.#limits = { ...LIMITS, ...options.limits }
  }

  /**
   * Finds the key of a token.
   *
   * @throws jose's `ERR_JWKS_NO_MATCHING_KEY` when the issuer has no such key
   * @throws KEY_SET_UNAVAILABLE, 503, while that cannot be known
   */
  readonly keyOf: JWTVerifyGetKey = async (header, token) => {
    await this.#prepare()
    const keys = this.#current()
    try {
      return await keys(header, token)
    } catch (error) {
      if (!isUnknownKey(error)) throw error
      // A key that was made after the last fetch.
      if (performance.now() - this.#fetchedAt < this.#limits.cooldownMs && this.#failure === undefined)
        throw error
      await this.#fetch()
      return await this.#current()(header, token)
    }
  }

  /** Rejects while the key set cannot be fetched. */
  async check(): Promise<void> {
    if (this.#failure !== undefined || this.#keys === undefined) await this.#fetch()
  }

  close(): void {
    this.#closed.abort(new Error('The service ends'))
  }

  async #prepare(): Promise<void> {
    const { maxAgeMs, maxUseMs } = this.#limits
    const ageMs = performance.now() - this.#fetchedAt
    if (ageMs > maxUseMs) {
      this.#keys = undefined
      return this.#fetch()
    }
    if (ageMs <= maxAgeMs / 2) return
    const refreshed = this.#fetch().catch(() => {})
    if (ageMs > maxAgeMs) await refreshed
  }

  #current(): JWTVerifyGetKey {
    if (this.#keys === undefined) throw this.#unavailable(undefined)
    return this.#keys
  }

  /** Fetches the set, or joins the fetch in flight. Rejects without a fetch for a while after one that failed. */
  async #fetch(): Promise<void> {
    if (this.#failure !== undefined && performance.now() - this.#failure.at < this.#limits.retryMs) {
      throw this.#failure.error
    }
    return this.#readOnce()
  }

  async #read(): Promise<void> {
    const { url, log } = this.#options
    try {
      this.#keys = this.#options.createLocalJWKSet(await this.#request())
      this.#fetchedAt = performance.now()
      if (this.#failure !== undefined) log.info({ url }, 'the key set of the token issuer can be read again')
      this.#failure = undefined
    } catch (cause) {
      const error = this.#unavailable(cause)
      if (this.#failure === undefined && !this.#closed.signal.aborted)
        log.warn({ url, reason: messageOf(cause) }, 'the key set of the token issuer cannot be read')
      this.#failure = { error, at: performance.now() }
      throw error
    }
  }

  async #request() {
    const { timeoutMs, maxBytes } = this.#limits
    const signal = AbortSignal.any([AbortSignal.timeout(timeoutMs), this.#closed.signal])
    const headers = { accept: 'application/jwk-set+json, application/json' }
    // A redirect could lead to a host that is not configured.
    const response = await fetch(this.#options.url, { headers, signal, redirect: 'error' })
    if (response.status !== 200) {
      await response.body?.cancel()
      throw new Error(`status ${response.status}`)
    }
    return JSON.parse(await textOf(response, maxBytes))
  }

  #unavailable(cause: unknown): AppError {
    const retryAfterSeconds = Math.ceil(this.#limits.retryMs / 1000)
    return keySetUnavailable('the keys of their issuer cannot be read', { cause, retryAfterSeconds })
  }
}

/** @param reason reaches the client */
export function keySetUnavailable(
  reason: string,
  options: { readonly cause: unknown; readonly retryAfterSeconds: number },
): AppError {
  const detail = `Tokens cannot be checked: ${reason}`
  return new AppError('KEY_SET_UNAVAILABLE', 503, detail, { ...options, expose: true })
}

function isUnknownKey(error: unknown): boolean {
  return (error as { code?: unknown }).code === 'ERR_JWKS_NO_MATCHING_KEY'
}

/** The innermost message: `fetch failed` says nothing. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? messageOf(error.cause) : error.message
}

async function textOf({ body }: Response, maxBytes: number): Promise<string> {
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const part of body ?? []) {
    bytes += part.length
    if (bytes > maxBytes) throw new Error(`more than ${maxBytes} bytes`)
    parts.push(part)
  }
  return Buffer.concat(parts).toString()
}
