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

  /** The place of a group in `sums`, where a new group starts with zeros. */
  function placeOf(category: number, day: number): number {
    const key = category * DAYS + day
    const known = places.get(key)
    if (known !== undefined) return known
    if (places.size === MAX_GROUPS) throw reportTooLarge()
    places.set(key, sums.length)
    return sums.push(category, day, 0, 0, 0) - GROUP_FIELDS
  }

  function add(category: number, day: number, orders: number, cents: number, highCents = 0): void {
    const place = placeOf(category, day)
    sums[place + 2] = (sums[place + 2] as number) + orders
    // Each summand of the low number is below CENTS_BASE, so that their sum is exact.
    const large = cents >= CENTS_BASE
    const low = (sums[place + 3] as number) + (large ? cents % CENTS_BASE : cents)
    const carry = low >= CENTS_BASE
    sums[place + 3] = carry ? low - CENTS_BASE : low
    const high = highCents + (large ? Math.floor(cents / CENTS_BASE) : 0) + (carry ? 1 : 0)
    if (high > 0) sums[place + 4] = (sums[place + 4] as number) + high
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
