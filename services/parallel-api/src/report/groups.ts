import { AppError } from '@reference/errors'

/** Sums by category and day. In flat numbers: no object a group. */
export interface Groups {
  /** @throws ReportTooLargeError */
  add(category: number, day: number, orders: number, cents: number, highCents?: number): void
  /** Adds what `take` gave. */
  addAll(groups: Float64Array): void
  /** Every group as its category, day, orders, cents below `CENTS_BASE` and multiples of it, in the order in which they came. */
  take(): Float64Array
}

/**
 * Groups of one report, which are what its memory grows with, and half of it outside of the heap: each lane's sums twice, and
 * the reply. The process took 60 MB more with this many than before its first report, 102 with twice as many, 316 with eight
 * times: infra/worst-case.ts has 76 for it. The seeded orders have 4,880.
 */
export const MAX_GROUPS = 50_000

/** More than `MAX_GROUPS`: trying again does not help. */
export class ReportTooLargeError extends AppError<'REPORT_TOO_LARGE'> {
  constructor() {
    const limit = MAX_GROUPS.toLocaleString('en')
    super('REPORT_TOO_LARGE', 500, `A report has at most ${limit} groups of category and day`)
  }
}

/** Numbers that a group takes: category, day, orders, and its cents in two. */
export const GROUP_FIELDS = 5

/** Cents from here on are counted in the other number: a sum passes 2^53 with a few of the largest orders there can be. */
export const CENTS_BASE = 1e15

/** More than Postgres has days, so that category × DAYS + day names one group. */
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
      if (places.size === MAX_GROUPS) throw new ReportTooLargeError()
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
