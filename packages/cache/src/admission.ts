import { randomBytes } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import type { Logger } from './logger.ts'
import type { OutboxStore } from './outbox-store.ts'

/** The id of a cache is stored in that cache: two names of one Redis are one cache, and a Redis that lost its data is a new one. */
interface IdStore {
  read(): Promise<string | null>
  /** Resolves with the id that is stored then: with `ifAbsent` possibly that of another process. */
  write(id: string, ifAbsent: boolean): Promise<string>
}

interface AdmissionOptions {
  /** Undefined: no outbox, so that no row has to name this cache. */
  store: Pick<OutboxStore, 'register' | 'touch'> | undefined
  ids: IdStore
  /** How long this cache stays registered while its processes do not reach the database. */
  keepMs: () => number
  /** The connections lead to another cache than before. */
  onAnotherCache: () => void
  logger: Logger | undefined
}

const ID = /^[\w-]{12}$/
const makeId = () => randomBytes(9).toString('base64url')

/**
 * Decides whether this process may read its cache: only while every write of this database names it in the outbox. A cache that no
 * write names keeps old rows for their whole TTL, whichever process wrote, and on whichever Redis.
 *
 * - An id is stored in Redis only after it has been registered in the database and every transaction that may not have seen the
 *   registration has ended. So an id that is found there, and is still registered, can be used at once: the usual restart.
 * - An id whose registration has expired is never registered again: its cache may hold values older than writes that did not
 *   name it. A new id takes its place, and values of another id are not read (see `KeySpace`).
 * - A process that dies between the steps leaves an unused registration; it expires.
 */
export class Admission {
  readonly #options: AdmissionOptions
  #id: string | undefined
  #open = false
  #openUntil = 0
  #admitting: Promise<void> | undefined
  #ends = new AbortController()
  #registering = false

  constructor(options: AdmissionOptions) {
    this.#options = options
  }

  /** The id under which writes name this cache; undefined until it is known. */
  get id(): string | undefined {
    return this.#id
  }

  /** Values may be read and kept. */
  get open(): boolean {
    return this.#open && performance.now() < this.#openUntil
  }

  /** Why not, for people. */
  get reason(): string | undefined {
    if (this.open) return undefined
    return this.#registering
      ? 'the cache is new; transactions that began before it was registered have to end'
      : 'the cache is not registered in the database yet'
  }

  /** Identifies and registers the cache that is connected now. Concurrent calls share one run. */
  admit(): Promise<void> {
    if (this.#admitting !== undefined) return this.#admitting
    const admitting = this.#admit(this.#ends.signal).finally(() => {
      if (this.#admitting === admitting) this.#admitting = undefined
    })
    this.#admitting = admitting
    return admitting
  }

  /** No connection is left that proves which Redis is connected. */
  suspend(): void {
    this.#open = false
  }

  /** Checks whether Redis still holds the id; the read also keeps it from being evicted. */
  async verify(): Promise<void> {
    const id = this.#id
    if (id === undefined) return
    const stored = await this.#options.ids.read().catch(() => id)
    if (stored === id || this.#id !== id) return
    this.#options.logger?.warn(
      { cache: id },
      'cache: Redis has lost the id of the cache (flushed, evicted or replaced): the cache begins empty',
    )
    this.#loseCache()
  }

  /** Renews the registration, and detects when it has expired. */
  async touch(): Promise<void> {
    const id = this.#id
    if (id === undefined) return
    if ((await this.#isRegistered(id)) || this.#id !== id) return
    this.#options.logger?.warn(
      { cache: id },
      'cache: the registration of the cache has expired: the cache begins empty',
    )
    this.#loseCache()
  }

  /** Forgets everything: another Redis, or other keys, will be connected. */
  reset(): void {
    this.#ends.abort()
    this.#ends = new AbortController()
    this.#admitting = undefined
    this.#id = undefined
    this.#open = false
    this.#openUntil = 0
    this.#registering = false
  }

  async #admit(ended: AbortSignal): Promise<void> {
    const { ids } = this.#options
    const stored = await ids.read()
    ended.throwIfAborted()
    if (this.#id !== undefined) {
      if (stored !== this.#id) {
        this.#loseCache()
        throw new Error('another cache is connected')
      }
      this.#open = true
      return
    }
    if (stored !== null && ID.test(stored) && (await this.#isRegistered(stored, ended))) {
      return this.#accept(stored)
    }
    const id = await this.#register(ended)
    const winner = await ids.write(id, stored === null)
    ended.throwIfAborted()
    if (winner !== id && !(await this.#isRegistered(winner, ended))) throw new Error('the id was replaced')
    this.#accept(winner)
  }

  async #register(ended: AbortSignal): Promise<string> {
    const { store, keepMs } = this.#options
    const id = makeId()
    this.#registering = true
    try {
      await store?.register(id, keepMs(), ended)
      // Registering may take long, and the registration may have expired meanwhile.
      if (!(await this.#isRegistered(id, ended))) throw new Error('the registration has expired')
    } finally {
      if (!ended.aborted) this.#registering = false
    }
    return id
  }

  #accept(id: string): void {
    this.#id = id
    this.#open = true
  }

  /** A cache is not read once half of its registration has passed without a touch: so never after the registration has ended. */
  async #isRegistered(id: string, ended = this.#ends.signal): Promise<boolean> {
    const { store, keepMs } = this.#options
    const askedAt = performance.now()
    const registered = store === undefined || (await store.touch(id, keepMs()))
    ended.throwIfAborted()
    if (registered) this.#openUntil = store === undefined ? Number.POSITIVE_INFINITY : askedAt + keepMs() / 2
    return registered
  }

  #loseCache(): void {
    this.reset()
    this.#options.onAnotherCache()
  }
}
