import { type Static, Type } from 'typebox'
import { Count, Fingerprint, strictObject } from './schema.ts'

const Rates = Type.Array(Type.Number({ exclusiveMinimum: 0 }), { minItems: 1 })
const Share = (description?: string) =>
  Type.Number({ minimum: 0, maximum: 1, ...(description && { description }) })

const BreakEvenPoint = strictObject({
  hotShare: Share('of the reads'),
  hitRatio: Share('median over the rounds, as the service counted'),
  on: Rates,
  off: Rates,
})

/** The shape of the results of `bench break-even`. */
export const BREAK_EVEN_SCHEMA = strictObject({
  schemaVersion: Type.Literal(1),
  kind: Type.Literal('break-even'),
  startedAt: Type.String({ description: 'ISO 8601' }),
  fingerprint: Fingerprint,
  connections: Count,
  writeShare: Share(),
  points: Type.Array(BreakEvenPoint, { minItems: 2 }),
})

/** Requests a second of each round, with the cache on and off, at one hit ratio. */
export type BreakEvenPoint = Static<typeof BreakEvenPoint>
export type BreakEvenResults = Static<typeof BREAK_EVEN_SCHEMA>
