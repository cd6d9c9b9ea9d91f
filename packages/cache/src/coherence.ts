import { until } from '@reference/async'
import { Checks } from './checks.ts'
import { nodeRefuses, notAdmitted } from './errors.ts'
import { prefixOf } from './keys.ts'
import type { LocalCopies } from './local-copies.ts'
import type { SeenNode } from './loss-log.ts'
import type { RedisNode } from './node.ts'
import type { Settings } from './options.ts'
import { type Delivery, type DeliveryTarget, Outbox } from './outbox.ts'
import type { OutboxRow, OutboxStatus } from './outbox-store.ts'
import { RedisConnection } from './redis-connection.ts'

const EXPIRE_EVERY_CHECKS = 12
/** The id of the cache, by which its rows are found, is not known yet. */
const UNKNOWN_STATUS: OutboxStatus = { count: Number.NaN, oldestSeconds: Number.NaN }
/** Without Redis there is nothing to remove beyond this process: every removal has succeeded. */
const WITHOUT_REDIS: DeliveryTarget = {
  id: undefined,
  remove: async (keys) => ({ applied: [...keys], acknowledged: [...keys] }),
}

/**
 * Keeps this process and its Redis coherent with the database: it owns the outbox, the connections to Redis and the
 * registration of the cache. A change reaches {@link LocalCopies} in one of two ways: by a write of this process
 * ({@link deliver}, {@link invalidate}), or by an announcement of Redis. Outbox rows that a writer could not deliver are applied
 * to Redis, which announces them to every process.
 */
export class Coherence {
  readonly redis: RedisConnection | undefined
  readonly #settings: Settings
  readonly #local: LocalCopies
  readonly #outbox: Outbox
  readonly #target: DeliveryTarget
  readonly #closing = new AbortController()
  readonly #checks: Checks | undefined
  #checksDone = 0
  #pollTimer: NodeJS.Timeout | undefined
  #polling: Promise<void> | undefined

  constructor(settings: Settings, local: LocalCopies) {
    const { outbox: store, logger, checkMs, timeoutMs } = settings
    this.#settings = settings
    this.#local = local
    this.#outbox = new Outbox({ store, timeoutMs, logger })
    this.redis =
      settings.redis && new RedisConnection({ target: settings.redis, settings, local, outbox: this.#outbox })
    this.#target = this.redis ?? WITHOUT_REDIS
    if (this.redis === undefined) logger?.info({}, 'cache: no Redis is set; tier 2 is off')
    else if (settings.installation === undefined) this.redis.use(prefixOf(settings.prefix))
    if (this.redis !== undefined || store !== undefined) {
      this.#checks = new Checks(() => this.#check(), { everyMs: checkMs, logger })
    }
    if (store !== undefined) this.#pollAfter(settings.outboxPollMs)
  }

  /** Removes the keys from this process and its Redis, trying for up to 250 ms. For changes without an outbox row. */
  invalidate(keys: readonly string[]): Promise<Delivery> {
    this.#invalidateLocally(keys)
    return this.#outbox.remove(this.#target, keys)
  }

  /** {@link invalidate} for a write with outbox rows: the rows for this Redis are cleared once it has removed their keys. */
  deliver(keys: readonly string[], rows: readonly OutboxRow[]): Promise<Delivery> {
    this.#invalidateLocally(keys)
    return this.#outbox.deliver(this.#target, keys, rows)
  }

  /** @throws AppError CACHE_NODE_REFUSES, CACHE_NOT_ADMITTED; the error of a node that does not answer a PING */
  async ready(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    if (this.redis === undefined) return
    for (const { id, refusal } of this.nodes) {
      if (refusal !== undefined) throw nodeRefuses(id, `${refusal.code}: ${refusal.reason}`)
    }
    await Promise.all(this.nodes.map((node) => node.ping()))
    if (this.redis.reason !== undefined) throw notAdmitted(this.redis.reason)
  }

  /** False when the cache did not become usable within `limitMs`, and without Redis. */
  async whenUsable(limitMs: number): Promise<boolean> {
    const { redis } = this
    if (redis === undefined) return false
    const isUsable = until('the cache is usable', () => redis.usable, { timeoutMs: limitMs, intervalMs: 5 })
    return isUsable.catch(() => false)
  }

  get nodes(): readonly RedisNode[] {
    return this.redis?.nodes() ?? []
  }

  /** The nodes for the log. A node without a fault of its own has the reason that keeps the whole cache out of use. */
  get seenNodes(): SeenNode[] {
    const reason = this.redis?.reason
    const known = this.nodes.map(({ id, usable, fault = reason, refusals }) => ({
      id,
      usable,
      fault,
      refusals,
    }))
    return known.length > 0 ? known : [{ id: 'unknown', usable: false, fault: reason }]
  }

  async outboxStatus(): Promise<OutboxStatus> {
    const { outbox: store } = this.#settings
    if (this.redis === undefined || store?.status === undefined) return { count: 0, oldestSeconds: 0 }
    const { id } = this.redis
    return id === undefined ? UNKNOWN_STATUS : store.status(id)
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#checks?.close()
    clearTimeout(this.#pollTimer)
    await this.#polling
    await this.#outbox.close()
    this.redis?.close()
  }

  #invalidateLocally(keys: readonly string[]): void {
    for (const key of keys) this.#local.invalidate(key)
    this.#local.countInvalidations(keys)
  }

  #pollAfter(ms: number): void {
    this.#pollTimer = setTimeout(() => {
      this.#polling = this.#pollOutbox()
    }, ms)
  }

  /** Delivers the rows that their writers could not deliver, and plans the next poll at a random distance. */
  async #pollOutbox(): Promise<void> {
    const { logger, outboxPollMs } = this.#settings
    await this.#outbox.deliverLeft(this.#target, this.#closing.signal).catch((error: unknown) => {
      logger?.warn({ err: error }, 'cache: the outbox could not be read')
      this.#checks?.soon()
    })
    if (!this.#closing.signal.aborted) this.#pollAfter(outboxPollMs * (0.8 + 0.4 * Math.random()))
  }

  /**
   * Asks the database which installation it is, since it may be replaced while this process runs. Renews the registration of
   * the cache, and checks that Redis still holds its id. Every 12th check removes expired registrations, also in a process
   * without Redis: it may be the last process of the installation.
   */
  async #check(): Promise<void> {
    const { installation, prefix, outbox: store } = this.#settings
    if (this.redis !== undefined) {
      if (installation !== undefined) this.redis.use(prefixOf(prefix, await installation()))
      await this.redis.admission.touch()
      await this.redis.admission.verify()
    }
    this.#checksDone++
    if (this.#checksDone % EXPIRE_EVERY_CHECKS === 0) await store?.expire(this.#closing.signal)
  }
}
