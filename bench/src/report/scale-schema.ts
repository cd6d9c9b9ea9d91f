import { type Static, Type } from 'typebox'
import { Count, Fingerprint, NonNegative, strictObject } from './schema.ts'

const Multiple = strictObject({
  ratio: NonNegative(),
  low: NonNegative('lower end of the 95 % interval'),
  high: Type.Union([NonNegative(), Type.Null()], { description: 'upper end; null: unbounded' }),
})

const Size = strictObject({
  p50Ms: NonNegative(),
  p99Ms: NonNegative(),
  growth: { ...Multiple, description: 'median latency as a multiple of that on the smallest database' },
  errors: Count,
})

const Statement = strictObject({
  statement: Type.String(),
  accesses: Type.Array(Type.String(), { description: 'how Postgres reads the largest database' }),
  pages: Type.Array(Count, { description: 'pages of 8 kB that the statement touches, by database' }),
  faults: Type.Array(Type.String()),
})

const Replicas = strictObject({
  replicas: Count,
  notRun: Type.Optional(Type.String({ description: 'what the machine lacks' })),
  ratePerSecond: NonNegative(),
  gain: { ...Multiple, description: 'throughput as a multiple of that of one replica' },
})

/** The shape of the results of `bench scale`. */
export const SCALE_SCHEMA = strictObject({
  schemaVersion: Type.Literal(1),
  kind: Type.Literal('scale'),
  startedAt: Type.String({ description: 'ISO 8601' }),
  command: Type.String(),
  fingerprint: Fingerprint,
  ratePerSecond: NonNegative('of the open loop'),
  databases: Type.Array(strictObject({ factor: Count, users: Count, orders: Count })),
  calls: Type.Array(
    strictObject({ name: Type.String(), sizes: Type.Array(Size), statements: Type.Array(Statement) }),
  ),
  replicas: Type.Array(Replicas),
})

export type ScaleResults = Static<typeof SCALE_SCHEMA>
export type ReplicaResult = Static<typeof Replicas>
export type Multiple = Static<typeof Multiple>
