import { type Static, Type } from 'typebox'
import { Count, Fingerprint, NonNegative, strictObject } from './schema.ts'

const Probe = strictObject({
  p99Ms: NonNegative(),
  slowestMs: NonNegative(),
  failed: Count,
})

const OverloadPoint = strictObject({
  multiple: NonNegative('of the rate of saturation'),
  ratePerSecond: NonNegative('offered'),
  goodPerSecond: NonNegative('answered with 2xx within the patience of the caller'),
  refusedPerSecond: NonNegative('answered with 503'),
  abandonedPerSecond: NonNegative('the caller gave up'),
  failed: Count,
  p50Ms: NonNegative('of the good ones, from the due time'),
  p99Ms: NonNegative(),
  lagP99Ms: NonNegative('how late the generator sent its requests'),
  health: Probe,
  ready: Probe,
})

const Side = strictObject({
  limit: Type.Union([Type.Literal('on'), Type.Literal('off')], { description: 'CONCURRENCY_LIMIT' }),
  points: Type.Array(OverloadPoint, { minItems: 1 }),
  recoveryMs: Type.Union([NonNegative(), Type.Null()], {
    description:
      'from the end of the overload to the last quarter of a second with a failed or late request; null: longer than was measured',
  }),
})

const OverloadCall = strictObject({
  name: Type.String(),
  request: Type.String(),
  saturationPerSecond: NonNegative('closed loop, without the limit'),
  sides: Type.Array(Side, { minItems: 1 }),
})

/** The shape of the results of `bench overload`. */
export const OVERLOAD_SCHEMA = strictObject({
  schemaVersion: Type.Literal(1),
  kind: Type.Literal('overload'),
  startedAt: Type.String({ description: 'ISO 8601' }),
  command: Type.String(),
  fingerprint: Fingerprint,
  patienceMs: Count,
  phaseMs: Count,
  calls: Type.Array(OverloadCall, { minItems: 1 }),
})

export type OverloadPoint = Static<typeof OverloadPoint>
export type OverloadSide = Static<typeof Side>
export type OverloadCall = Static<typeof OverloadCall>
export type OverloadResults = Static<typeof OVERLOAD_SCHEMA>
