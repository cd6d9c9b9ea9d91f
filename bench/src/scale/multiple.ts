import type { Multiple } from '../report/scale-schema.ts'

/** A multiple as results hold it: JSON has no infinity. */
export function multiple({ ratio, low, high }: { ratio: number; low: number; high: number }): Multiple {
  return { ratio, low, high: Number.isFinite(high) ? high : null }
}
