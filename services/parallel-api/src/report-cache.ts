import type { Cache } from '@reference/cache'
import type { Engine, Reports } from './report/report.ts'

export interface CachedReport {
  readonly json: Buffer
  /** When it was ready, by `performance.now()`: its age counts from there, as its TTL does. */
  readonly computedAt: number
}

export interface FoundReport extends CachedReport {
  readonly from: string
}

export interface ReportCache {
  readonly ttlSeconds: number
  /**
   * A report that may be as old as the TTL. Who finds none waits for the one that is being computed, together with all
   * others; it is computed to its end for the next ones, whoever of them leaves.
   *
   * @throws what `Reports.run` throws; a failure is not kept
   */
  get(engine: Engine): Promise<FoundReport>
}

const AT_BYTES = 8

/**
 * The plain response cache: in this process, by time alone. One entry an engine, within the bounds of tier 1; what has
 * expired is not answered, and goes when its place is needed or it is computed anew, so nothing has to sweep.
 *
 * @param limitMs longest time for a report to be computed
 */
export function createReportCache(
  cache: Cache,
  reports: Reports,
  { ttlSeconds, limitMs }: { ttlSeconds: number; limitMs: number },
): ReportCache {
  const stored = cache.namespace({
    name: 'report',
    version: 1,
    ttlMs: ttlSeconds * 1000,
    ttlOnly: true,
    hardLimitMs: limitMs,
    encode: ({ computedAt, json }: CachedReport) => {
      const at = Buffer.alloc(AT_BYTES)
      at.writeDoubleBE(computedAt)
      return Buffer.concat([at, json])
    },
    decode: (bytes): CachedReport => ({
      computedAt: bytes.readDoubleBE(),
      json: bytes.subarray(AT_BYTES),
    }),
    load: async (engine: Engine, { signal }) => ({
      json: await reports.run(engine, signal),
      computedAt: performance.now(),
    }),
  })
  return {
    ttlSeconds,
    async get(engine) {
      const { value, from } = await stored.get(engine)
      if (value === undefined) throw new TypeError('a report without a value')
      return { ...value, from }
    },
  }
}
