import { AppError } from '@reference/errors'

/** Sums by category and day. In flat numbers: no object a group. */
export interface Groups {
  /** @throws ReportTooLargeError */
  add(category: number, day: number, orders: number, cents: number): void
  /** Adds what `take` gave. */
  addAll(groups: Float64Array): void
  /** Every group as its category, day, orders and cents, in the order in which they came. */
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

/** Numbers that a group takes. */
export const GROUP_FIELDS = 4

/** More than Postgres has days, so that category × DAYS + day names one group. */
const DAYS = 2 ** 32

export function createGroups(): Groups {
  const places = new Map<number, number>()
  const sums: number[] = []

  function add(category: number, day: number, orders: number, cents: number): void {
    const key = category * DAYS + day
    const place = places.get(key)
    if (place === undefined) {
      if (places.size === MAX_GROUPS) throw new ReportTooLargeError()
      places.set(key, sums.length)
      sums.push(category, day, orders, cents)
    } else {
      sums[place + 2] = (sums[place + 2] ?? 0) + orders
      sums[place + 3] = (sums[place + 3] ?? 0) + cents
    }
  }

  return {
    add,
    addAll(groups) {
      for (let at = 0; at < groups.length; at += GROUP_FIELDS) {
        add(groups[at] ?? 0, groups[at + 1] ?? 0, groups[at + 2] ?? 0, groups[at + 3] ?? 0)
      }
    },
    take: () => Float64Array.from(sums),
  }
}
