import type { Cache } from '@reference/cache'
import { mustExist } from '@reference/errors'
import type { Engine, Reports } from './report/report.ts'

export interface CachedReport {
  readonly json: Buffer
  /** When it was computed, by `performance.now()`. Age and TTL count from this time. */
  readonly computedAt: number
}

export interface FoundReport extends CachedReport {
  readonly from: string
}

export interface ReportCache {
  readonly ttlSeconds: number
  /**
   * A report that may be as old as the TTL. Without one, all callers wait for the same computation, which is not aborted when
   * callers leave, because later ones can use its result.
   *
   * @throws what `Reports.run` throws; a failure is not kept
   */
  get(engine: Engine): Promise<FoundReport>
}

const TIMESTAMP_BYTES = 8

/**
 * The plain response cache: in this process, by TTL alone. One entry per engine, within the limits of tier 1. An expired entry
 * is never returned; it is evicted when its space is needed or replaced by the next report, so no sweep is needed.
 *
 * @param limitMs the longest time that a report may take to be computed
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
      const at = Buffer.alloc(TIMESTAMP_BYTES)
      at.writeDoubleBE(computedAt)
      return Buffer.concat([at, json])
    },
    decode: (bytes): CachedReport => ({
      computedAt: bytes.readDoubleBE(),
      json: bytes.subarray(TIMESTAMP_BYTES),
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
      return { ...mustExist(value), from }
    },
  }
}
