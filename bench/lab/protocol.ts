import { type Static, Type } from 'typebox'
import { Value } from 'typebox/value'
import { BenchError } from '../src/errors.ts'

/** The two copies of the services. */
export const SIDES = ['shipped', 'yours'] as const
export type SideName = (typeof SIDES)[number]
export type OfBoth<T> = Readonly<Record<SideName, T>>

export const FAULTS = ['redis', 'postgres', 'replica'] as const
export type FaultName = (typeof FAULTS)[number]

/** Limits of the sliders. The rate ends where the generator's own timing begins to dominate the latencies. */
export const LIMITS = {
  callers: { minimum: 1, maximum: 128 },
  ratePerSecond: { minimum: 10, maximum: 1000 },
  hitRatio: { minimum: 0, maximum: 1 },
  writeShare: { minimum: 0, maximum: 0.5 },
} as const

const LOAD = Type.Object(
  {
    workload: Type.String({ maxLength: 64 }),
    callers: Type.Integer(LIMITS.callers),
    ratePerSecond: Type.Integer(LIMITS.ratePerSecond),
    hitRatio: Type.Number(LIMITS.hitRatio),
    writeShare: Type.Number(LIMITS.writeShare),
  },
  { additionalProperties: false },
)

/** The load that both copies get. */
export type LoadSettings = Static<typeof LOAD>

const COMMANDS = {
  load: LOAD,
  /** Switches of "yours" that differ from the shipped values, as environment variables. */
  settings: Type.Record(Type.String({ pattern: '^[A-Z][A-Z0-9_]{0,63}$' }), Type.String({ maxLength: 64 }), {
    maxProperties: 64,
    additionalProperties: false,
  }),
  /** `none` ends the present fault. */
  fault: Type.Object(
    { name: Type.Unsafe<FaultName | 'none'>(Type.String({ enum: [...FAULTS, 'none'] })) },
    { additionalProperties: false },
  ),
} as const

export type CommandName = keyof typeof COMMANDS
export type CommandBody<Name extends CommandName> = Static<(typeof COMMANDS)[Name]>

export function isCommandName(name: string): name is CommandName {
  return Object.hasOwn(COMMANDS, name)
}

/** @throws BenchError BAD_COMMAND for a body of another shape */
export function checkCommand<Name extends CommandName>(name: Name, body: unknown): CommandBody<Name> {
  const schema: (typeof COMMANDS)[Name] = COMMANDS[name]
  if (Value.Check(schema, body)) return body as CommandBody<Name>
  const [first] = Value.Errors(schema, body)
  throw new BenchError('BAD_COMMAND', `${name}${first?.instancePath ?? ''} ${first?.message ?? 'is wrong'}`)
}

/** The figures of one copy in one turn; null where there is none. */
export interface Figures {
  /** Requests a second that the callers got, closed loop. */
  readonly rate: number | null
  /** Milliseconds from the due time, at the fixed rate, over the last turns. */
  readonly p50: number | null
  readonly p99: number | null
  /** CPU time of the service's processes for one request, in µs. */
  readonly cpuMicros: number | null
  /** Shares of the replies at the fixed rate by `x-cache`; null without such a header. */
  readonly tiers: Readonly<Record<'l1' | 'l2' | 'miss' | 'off', number>> | null
  readonly statements: number | null
  readonly commands: number | null
  /** Requests at the fixed rate, and those of them that failed, by reason. */
  readonly sent: number
  readonly failures: Readonly<Record<string, number>>
}

export interface Sample {
  /** Seconds since the lab was started. */
  readonly at: number
  readonly fault: FaultName | null
  /** Raised with each change of load or settings. */
  readonly run: number
  readonly figures: OfBoth<Figures>
}

/** A ratio, yours by shipped, with its 95 % interval. */
export interface Interval {
  readonly ratio: number
  readonly low: number
  readonly high: number
}

export interface Comparison {
  readonly turns: number
  readonly rate: Interval | null
  readonly cpu: Interval | null
  readonly p99: Interval | null
}

export type Phase = 'starting' | 'warming' | 'measuring' | 'fault' | 'refused' | 'ended'

export interface State {
  readonly phase: Phase
  /** The phase in a sentence. */
  readonly message: string
  readonly load: LoadSettings
  /** Switches of "yours" that differ from the shipped values. */
  readonly settings: Readonly<Record<string, string>>
  readonly fault: FaultName | null
  readonly comparison: Comparison
  /** Callers' view of the last fault, for both copies. */
  readonly faultReport: FaultReport | null
  /** The load generator is busier than a valid measurement allows. */
  readonly generatorBusy: boolean
}

export interface FaultReport {
  readonly name: FaultName
  readonly seconds: number
  readonly ended: boolean
  readonly callers: OfBoth<{
    readonly sent: number
    readonly failures: Readonly<Record<string, number>>
    readonly p50: number | null
    readonly p99: number | null
  }>
}

/** What does not change while the lab runs. */
export interface About {
  readonly switches: readonly {
    readonly name: string
    readonly description: string
    readonly unit: string
    readonly shipped: string
    readonly untuned: string
    /** The value is a number instead of `on` or `off`. */
    readonly isNumber: boolean
    readonly services: readonly string[]
    /** The workload that shows its effect, and what else that takes. */
    readonly workload: string
    readonly hint: string
  }[]
  readonly workloads: readonly {
    readonly name: string
    readonly title: string
    readonly about: string
    readonly callers: number
    readonly ratePerSecond: number
    readonly primary: 'rate' | 'p99'
    readonly hasSliders: boolean
    /** Settings of both copies in this workload. */
    readonly environment: Readonly<Record<string, string>>
    readonly service: string
  }[]
  readonly limits: typeof LIMITS
  readonly machine: string
  /** Faults that this machine cannot cause, with the reason. */
  readonly impossible: Readonly<Partial<Record<FaultName, string>>>
}

/** A message of the event stream. */
export type LabEvent =
  | { readonly type: 'about'; readonly data: About }
  | { readonly type: 'state'; readonly data: State }
  | { readonly type: 'history'; readonly data: readonly Sample[] }
  | { readonly type: 'sample'; readonly data: Sample }
