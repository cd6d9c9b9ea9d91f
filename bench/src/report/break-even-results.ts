import { type Static, Type } from 'typebox'
import { Value } from 'typebox/value'
import { BenchError } from '../errors.ts'

const STRICT = { additionalProperties: false } as const
const Rates = Type.Array(Type.Number({ exclusiveMinimum: 0 }), { minItems: 1 })

const BreakEvenPoint = Type.Object(
  {
    hotShare: Type.Number({ minimum: 0, maximum: 1 }),
    hitRatio: Type.Number({
      minimum: 0,
      maximum: 1,
      description: 'median over the rounds, as the service counted',
    }),
    on: Rates,
    off: Rates,
  },
  STRICT,
)
const BREAK_EVEN = Type.Object(
  {
    startedAt: Type.String({ description: 'ISO 8601' }),
    fingerprint: Type.Record(Type.String(), Type.Unknown()),
    connections: Type.Integer({ minimum: 1 }),
    writeShare: Type.Number({ minimum: 0, maximum: 1 }),
    points: Type.Array(BreakEvenPoint, { minItems: 2 }),
  },
  STRICT,
)

/** Requests a second of each round, with the cache on and off, at one hit ratio. */
export type BreakEvenPoint = Static<typeof BreakEvenPoint>
export type BreakEvenResults = Omit<Static<typeof BREAK_EVEN>, 'fingerprint'> & {
  readonly fingerprint: object
}

/** @throws BenchError when the text does not hold results of `bench break-even` */
export function readBreakEven(text: string): BreakEvenResults {
  const value: unknown = JSON.parse(text)
  if (Value.Check(BREAK_EVEN, value)) return value
  throw new BenchError('RESULTS_INVALID', 'these are no results of bench break-even')
}
