import { randomBytes } from 'node:crypto'
import calculateSlot from 'cluster-key-slot'
import type { KeySpace } from './keys.ts'
import type { LeaseRedis } from './lease.ts'

export type SlotRange = readonly [from: number, to: number]

export type TimeReply = readonly (string | number)[]

export interface Probe {
  /**
   * The write of an invalidation: SET with a time to live, and DEL. Resolves with the reply of TIME, rejects with the
   * reply that refuses the write. Only probes send TIME: its count in `INFO commandstats` is the count of probes.
   */
  write(): Promise<TimeReply>
  /** Each kind of command that the cache sends, scripts included. */
  everything(): Promise<TimeReply>
  /** The node replied with a redirection: the next probe uses another slot. */
  moved(): void
}

interface ProbeOptions {
  redis: LeaseRedis
  /** The name of the probe's key: of this installation, and outside of the tracked prefix. */
  keyOf: KeySpace['probeOf']
  /** The slots of this node; undefined for the only Redis. */
  slots: () => readonly SlotRange[] | undefined
  /** Invalidations are followed by WAIT. */
  waits: () => boolean
}

const KEPT_MS = 1_000

/**
 * Proves that a node accepts the writes of the cache. A command that only reads proves nothing: a node that refuses
 * writes (READONLY, NOREPLICAS, OOM …) still answers it.
 */
export function createProbe({ redis, keyOf, slots, waits }: ProbeOptions): Probe {
  let key: string | undefined

  return {
    async write() {
      const at = probeKey()
      const [, , time] = await Promise.all([redis.set(at, '', 'PX', KEPT_MS), redis.del(at), redis.time()])
      return time
    },
    async everything() {
      const at = probeKey()
      const lease = `${at}:lease`
      const token = randomBytes(9).toString('base64url')
      const [time] = await Promise.all([
        redis.time(),
        redis.del(lease),
        redis.set(at, '', 'PX', KEPT_MS),
        redis.del(at),
        redis.leaseAcquireBuffer(2, at, lease, token, KEPT_MS, '0'),
        redis.leaseFill(2, at, lease, token, '', KEPT_MS),
        redis.get(at),
        redis.mget(at),
        redis.set(at, '', 'NX', 'GET'),
        redis.leaseRelease(1, lease, token),
        redis.del(at),
        // Satisfied at once: it shows that WAIT may be sent, not that a replica answers.
        ...(waits() ? [redis.wait(0, 1)] : []),
      ])
      return time
    },
    moved() {
      key = undefined
    },
  }

  function probeKey(): string {
    key ??= keyOf(tagFor(slots()))
    return key
  }
}

/** A random hash tag whose slot is one of these. One slot alone takes 16,384 attempts on average, about 5 ms. */
function tagFor(ranges: readonly SlotRange[] | undefined): string {
  for (let attempt = 0; ; attempt++) {
    const tag = randomBytes(6).toString('hex')
    const slot = calculateSlot(tag)
    if (ranges === undefined || ranges.length === 0 || attempt > 500_000) return tag
    if (ranges.some(([from, to]) => from <= slot && slot <= to)) return tag
  }
}
