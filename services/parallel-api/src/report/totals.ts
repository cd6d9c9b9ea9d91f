import type { ReportRow } from '@reference/database'
import { DAYS, GROUP_FIELDS } from './sum.ts'

/** Adds the groups of the parts together. */
export interface Totals {
  /** @returns how many orders these groups hold */
  add(groups: Float64Array): number
  /** Sorted by category, as Postgres sorts with `collate "C"`, and day. */
  rows(): ReportRow[]
}

interface Total {
  readonly category: number
  readonly day: number
  orders: number
  cents: number
}

/** @param names of the categories, sorted: their places are the numbers in the groups */
export function createTotals(names: readonly string[]): Totals {
  const totals = new Map<number, Total>()
  return {
    add(groups) {
      let added = 0
      for (let at = 0; at < groups.length; at += GROUP_FIELDS) {
        const category = groups[at] ?? 0
        const day = groups[at + 1] ?? 0
        const orders = groups[at + 2] ?? 0
        const cents = groups[at + 3] ?? 0
        added += orders
        const key = category * DAYS + day
        const total = totals.get(key)
        if (total === undefined) {
          totals.set(key, { category, day, orders, cents })
        } else {
          total.orders += orders
          total.cents += cents
        }
      }
      return added
    },
    rows() {
      const days = new Map<number, string>()
      const nameOf = (day: number) => {
        const name = days.get(day) ?? dayName(day)
        days.set(day, name)
        return name
      }
      return [...totals.values()]
        .sort((a, b) => a.category - b.category || a.day - b.day)
        .map(({ category, day, orders, cents }) => ({
          category: names[category] ?? '',
          day: nameOf(day),
          orders,
          revenueCents: cents,
        }))
    },
  }
}

/** By the bytes of UTF-8: `<` on strings compares UTF-16, which differs past U+FFFF. */
export function sortedNames(names: Iterable<string>): string[] {
  return [...new Set(names)]
    .map((name) => ({ name, bytes: Buffer.from(name) }))
    .sort((a, b) => Buffer.compare(a.bytes, b.bytes))
    .map(({ name }) => name)
}

function dayName(day: number): string {
  return new Date(day * 86_400_000).toISOString().slice(0, 10)
}
