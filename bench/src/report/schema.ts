import { type Static, type TProperties, Type } from 'typebox'

export const Count = Type.Integer({ minimum: 0 })
export const NonNegative = (description?: string) =>
  Type.Number({ minimum: 0, ...(description && { description }) })
const Ms = NonNegative('milliseconds')
const Tally = Type.Record(Type.String(), Type.Number())
const Metric = Type.Union([Type.Literal('throughput'), Type.Literal('p99')])

export function strictObject<Properties extends TProperties>(properties: Properties) {
  return Type.Object(properties, { additionalProperties: false })
}

export const Fingerprint = strictObject({
  cpuModel: Type.String(),
  cores: Count,
  memoryBytes: Count,
  platform: Type.String(),
  kernel: Type.String(),
  node: Type.String(),
  postgres: Type.Optional(Type.String()),
  redis: Type.Optional(Type.String()),
  placement: Type.String({ description: 'which cores ran which processes' }),
  commit: Type.Optional(Type.String()),
  dirty: Type.Optional(Type.Boolean({ description: 'the working tree differed from the commit' })),
  settings: Type.Record(Type.String(), Type.String(), { description: 'tuning switches as shipped' }),
})

const Percentiles = { p50: Ms, p95: Ms, p99: Ms, p999: Ms, max: Ms }

const Latency = strictObject({
  ratePerSecond: Type.Number({ exclusiveMinimum: 0 }),
  sent: Count,
  errors: Count,
  ...Percentiles,
  lagP99Ms: Type.Number({ description: 'how late the generator sent its requests, p99, mean of the slices' }),
  histogram: Type.String({ description: 'HdrHistogram V2, compressed, base64; microseconds' }),
})

const Ratio = Type.Optional(
  strictObject({
    log: Type.Number({ description: 'natural logarithm' }),
    variance: Type.Optional(
      NonNegative('of the logarithm, by the spread of the turns; absent for few turns'),
    ),
  }),
)

const Boot = strictObject({
  boot: Count,
  warmUpSlices: Count,
  slices: Count,
  steady: Type.Boolean({ description: 'false: the ratio to the tuned variant still changed' }),
  throughput: NonNegative('requests a second, closed loop'),
  errors: Count,
  cpuMsPerRequest: NonNegative('of the server, over the closed loop'),
  cpuMsAtFixedRate: Type.Optional(NonNegative('of the server a request, at the rate of the open loop')),
  rssBytes: Count,
  responseBytes: NonNegative('headers and body'),
  statements: NonNegative('SQL statements a request'),
  commands: NonNegative('Redis commands a request'),
  redisBytes: Type.Number({ description: 'bytes to and from Redis a request' }),
  generatorUtilisation: NonNegative(),
  latency: Type.Optional(Latency),
  ratios: Type.Optional(strictObject({ rate: Ratio, cpu: Ratio, cpuAtFixedRate: Ratio })),
  objections: Type.Array(Type.String(), { description: 'why this boot does not count; empty: it counts' }),
})

const Bounds = Type.Tuple([Type.Number(), Type.Union([Type.Number(), Type.Null()])], {
  description: '95 % interval over boots in ms; null: unbounded',
})

const Summary = strictObject({
  throughput: NonNegative('geometric mean over the boots that count'),
  cpuMsPerRequest: Ms,
  cpuMsAtFixedRate: Type.Optional(Ms),
  rssBytes: NonNegative(),
  responseBytes: NonNegative(),
  statements: NonNegative(),
  commands: NonNegative(),
  redisBytes: Type.Number(),
  latency: Type.Optional(
    strictObject({
      ratePerSecond: Type.Number(),
      ...Percentiles,
      intervals: strictObject({
        p50: Type.Optional(Bounds),
        p99: Type.Optional(Bounds),
        p999: Type.Optional(Bounds),
      }),
      errors: Count,
      curve: Type.Array(Type.Tuple([Type.Number(), Type.Number()]), { description: '[percentile, ms]' }),
    }),
  ),
})

const Variant = strictObject({
  name: Type.String(),
  label: Type.String(),
  environment: Type.Record(Type.String(), Type.String()),
  proof: Type.Array(Type.String(), { description: 'the established facts, in words' }),
  statementsByText: Tally,
  commandsByName: Tally,
  boots: Type.Array(Boot),
  summary: Summary,
})

const Interval = strictObject({
  boots: Type.Integer({ minimum: 0, description: 'boots that count' }),
  ratio: Type.Number({ description: 'above 1: the tuned side is better' }),
  low: Type.Number({ description: 'lower end of the 95 % interval' }),
  high: Type.Union([Type.Number(), Type.Null()], { description: 'upper end; null: unbounded' }),
  p: Type.Number(),
})

const Comparison = strictObject({
  variant: Type.String(),
  label: Type.String(),
  metric: Metric,
  links: Type.Optional(
    strictObject({
      code: Type.String({ description: 'file of the repository that this is about' }),
      docs: Type.String({ description: 'its documentation, with the heading' }),
    }),
  ),
  effect: Interval,
  cpu: Type.Optional(Interval),
  cpuAtFixedRate: Type.Optional(Interval),
  pHolm: Type.Number({ description: 'p after Holm’s correction over all comparisons of the run' }),
  detectable: Type.Union([Type.Number(), Type.Null()], {
    description: 'the smallest ratio that would be detected in 4 runs of 5',
  }),
  verdict: Type.Union([
    Type.Literal('better'),
    Type.Literal('worse'),
    Type.Literal('no difference'),
    Type.Literal('refused'),
  ]),
  refused: Type.Optional(Type.String()),
})

/** One boot of all variants of a scenario. */
const Machine = strictObject({
  boot: Count,
  at: Type.String({ description: 'ISO 8601, start of the boot' }),
  seconds: NonNegative(),
  steal: NonNegative('share of the machine that the hypervisor gave to other guests'),
  otherCores: NonNegative('CPU use of other programs, in cores'),
})

const Scenario = strictObject({
  name: Type.String(),
  title: Type.String(),
  about: Type.String(),
  guide: Type.String(),
  service: Type.String(),
  primary: Metric,
  connections: Count,
  beside: Type.Optional(Type.Boolean({ description: 'latency is that of concurrent requests to /health' })),
  boots: Type.Array(Machine),
  variants: Type.Array(Variant),
  comparisons: Type.Array(Comparison),
  refused: Type.Optional(Type.String({ description: 'why no figure of this scenario counts' })),
  notRun: Type.Optional(Type.String({ description: 'what the machine lacks for this scenario' })),
})

/** The shape of `bench/results/<time>.json`; `results.schema.json` is generated from it. */
export const RESULTS_SCHEMA = Type.Object(
  {
    schemaVersion: Type.Literal(2),
    startedAt: Type.String({ description: 'ISO 8601' }),
    finishedAt: Type.String({ description: 'ISO 8601' }),
    seconds: Type.Number({ minimum: 0 }),
    complete: Type.Boolean({ description: 'false: interrupted, with the results so far' }),
    command: Type.String(),
    fingerprint: Fingerprint,
    world: Type.Record(Type.String(), Count, { description: 'rows in the database' }),
    warnings: Type.Array(Type.String()),
    scenarios: Type.Array(Scenario),
  },
  {
    additionalProperties: false,
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Results of pnpm bench',
  },
)

export type Results = Static<typeof RESULTS_SCHEMA>
export type ScenarioResult = Static<typeof Scenario>
export type VariantResult = Static<typeof Variant>
export type BootResult = Static<typeof Boot>
export type ComparisonResult = Static<typeof Comparison>
export type FingerprintResult = Static<typeof Fingerprint>
