import { type Static, Type } from 'typebox'
import { Count, Fingerprint, NonNegative, strictObject } from './schema.ts'

const Interval = strictObject({
  boots: Type.Integer({ minimum: 0, description: 'boots in which both sides were steady' }),
  ratio: Type.Number({ description: 'ours divided by the other side' }),
  low: Type.Number({ description: 'lower end of the 95 % interval' }),
  high: Type.Union([Type.Number(), Type.Null()], { description: 'upper end; null: unbounded' }),
})

const CpuMicros = Type.Union([NonNegative('µs a request'), Type.Null()])

const Side = strictObject({
  name: Type.String(),
  label: Type.String(),
  notRun: Type.Optional(Type.String({ description: 'what the machine lacks for this side' })),
  figures: Type.Optional(
    strictObject({
      rate: NonNegative('requests a second, geometric mean over the steady boots'),
      cpuMicros: CpuMicros,
      fixedRateCpuMicros: CpuMicros,
      generatorShare: NonNegative('the most that the load generator used of its core in a boot'),
      errors: Count,
      boots: Type.Array(
        strictObject({
          rate: NonNegative(),
          cpuMicros: CpuMicros,
          fixedRateCpuMicros: CpuMicros,
          steady: Type.Boolean({ description: 'false: the boot does not count' }),
          warmUpSlices: Count,
          slices: Count,
        }),
      ),
    }),
  ),
  effect: Type.Optional(
    strictObject({
      rate: Interval,
      cpu: Type.Optional(Interval),
      fixedRateCpu: Type.Optional(Interval),
    }),
  ),
})

const Row = strictObject({
  name: Type.String(),
  title: Type.String(),
  about: Type.String(),
  connections: Count,
  fixedRatePerSecond: NonNegative('the fixed rate at which the CPU time a request is measured'),
  sides: Type.Array(Side, { description: 'ours first' }),
})

const Start = strictObject({
  name: Type.String(),
  label: Type.String(),
  startMs: NonNegative('from the start of the process to its first reply, median'),
  idleBytes: NonNegative('resident memory once ready, median'),
  loadedBytes: NonNegative('resident memory after load, median'),
  effect: Interval,
})

/** The shape of the results of `bench floor` and `bench peers`; `duet-results.schema.json` is generated from it. */
export const DUET_SCHEMA = Type.Object(
  {
    schemaVersion: Type.Literal(2),
    kind: Type.Union([Type.Literal('floor'), Type.Literal('peers')]),
    startedAt: Type.String({ description: 'ISO 8601' }),
    finishedAt: Type.String({ description: 'ISO 8601' }),
    seconds: Type.Number({ minimum: 0 }),
    command: Type.String(),
    fingerprint: Fingerprint,
    world: Type.Record(Type.String(), Count, { description: 'rows in the database' }),
    versions: Type.Record(Type.String(), Type.String(), { description: 'of what is measured' }),
    warnings: Type.Array(Type.String()),
    rows: Type.Array(Row),
    starts: Type.Array(Start),
  },
  {
    additionalProperties: false,
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Results of pnpm bench floor and pnpm bench peers',
  },
)

export type DuetResults = Static<typeof DUET_SCHEMA>
export type DuetRowResult = Static<typeof Row>
export type DuetSideResult = Static<typeof Side>
export type DuetStartResult = Static<typeof Start>
