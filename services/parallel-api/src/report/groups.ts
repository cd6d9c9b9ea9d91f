import { AppError } from '@reference/errors'

/** Sums by category and day, in flat numbers: an object for each group would take several times the memory. */
export interface Groups {
  /** @throws AppError `REPORT_TOO_LARGE` when there would be more than `MAX_GROUPS` groups */
  add(category: number, day: number, orders: number, cents: number, highCents?: number): void
  /** Adds groups in the form that `take` returns. */
  addAll(groups: Float64Array): void
  /** Every group as its category, day, orders, cents below `CENTS_BASE` and multiples of it, in the order of their first `add`. */
  take(): Float64Array
}

/**
 * Groups of one report. The memory of a report grows with its groups, half of it outside of the heap: each lane's sums twice,
 * and the reply. The process took 60 MB more with this many than before its first report, 102 with twice as many, 316 with eight
 * times as many; infra/worst-case.ts allows 76. The seeded orders have 4,880 groups.
 */
export const MAX_GROUPS = 50_000

/** Numbers per group: category, day, orders, and two for its cents. */
export const GROUP_FIELDS = 5

/** Multiples of this are counted in the second number of the cents: a few of the largest possible orders exceed 2^53. */
export const CENTS_BASE = 1e15

/** More than the days that Postgres can represent, so that category × DAYS + day identifies one group. */
const DAYS = 2 ** 32

export function createGroups(): Groups {
  const places = new Map<number, number>()
  const sums: number[] = []

  function add(category: number, day: number, orders: number, cents: number, highCents = 0): void {
    const high = cents < CENTS_BASE ? highCents : highCents + Math.floor(cents / CENTS_BASE)
    const low = cents < CENTS_BASE ? cents : cents % CENTS_BASE
    const key = category * DAYS + day
    const place = places.get(key)
    if (place === undefined) {
      if (places.size === MAX_GROUPS) throw reportTooLarge()
      places.set(key, sums.length)
      sums.push(category, day, orders, low, high)
    } else {
      sums[place + 2] = (sums[place + 2] ?? 0) + orders
      const sum = (sums[place + 3] ?? 0) + low
      sums[place + 3] = sum < CENTS_BASE ? sum : sum - CENTS_BASE
      sums[place + 4] = (sums[place + 4] ?? 0) + high + (sum < CENTS_BASE ? 0 : 1)
    }
  }

  return {
    add,
    addAll(groups) {
      for (let at = 0; at < groups.length; at += GROUP_FIELDS) {
        const cents = groups[at + 3] ?? 0
        add(groups[at] ?? 0, groups[at + 1] ?? 0, groups[at + 2] ?? 0, cents, groups[at + 4] ?? 0)
      }
    },
    take: () => Float64Array.from(sums),
  }
}

/** A retry does not help, so there is no retry time. */
function reportTooLarge(): AppError {
  const limit = MAX_GROUPS.toLocaleString('en')
  return new AppError('REPORT_TOO_LARGE', 500, `A report has at most ${limit} groups of category and day`)
}
