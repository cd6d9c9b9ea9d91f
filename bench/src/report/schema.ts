import { type Static, Type } from 'typebox'

const Count = Type.Integer({ minimum: 0 })
const Share = Type.Number({ minimum: 0 })
const Ms = Type.Number({ minimum: 0, description: 'milliseconds' })
const Tally = Type.Record(Type.String(), Type.Number())
const strict = { additionalProperties: false } as const

const Fingerprint = Type.Object(
  {
    cpuModel: Type.String(),
    cores: Count,
    memoryBytes: Count,
    platform: Type.String(),
    kernel: Type.String(),
    node: Type.String(),
    postgres: Type.Optional(Type.String()),
    redis: Type.Optional(Type.String()),
    placement: Type.String({ description: 'which cores ran what' }),
    commit: Type.Optional(Type.String()),
    dirty: Type.Optional(Type.Boolean({ description: 'the working tree differed from the commit' })),
    settings: Type.Record(Type.String(), Type.String(), { description: 'tuning switches as shipped' }),
  },
  strict,
)

const Latency = Type.Object(
  {
    ratePerSecond: Type.Number({ exclusiveMinimum: 0 }),
    sent: Count,
    errors: Count,
    p50: Ms,
    p95: Ms,
    p99: Ms,
    p999: Ms,
    max: Ms,
    lagP99Ms: Type.Number({ description: 'how late the generator itself sent, p99' }),
    histogram: Type.String({ description: 'HdrHistogram V2, compressed, base64; microseconds' }),
  },
  strict,
)

const Boot = Type.Object(
  {
    round: Count,
    bootMs: Ms,
    warmup: Type.Object({ slices: Count, steady: Type.Boolean() }, strict),
    throughput: Type.Number({ minimum: 0, description: 'requests a second, closed loop' }),
    errors: Count,
    cpuMsPerRequest: Type.Number({ minimum: 0, description: 'of the server, over the closed loop' }),
    rssBytes: Count,
    responseBytes: Type.Number({ minimum: 0, description: 'headers and body' }),
    statements: Type.Number({ minimum: 0, description: 'SQL statements a request' }),
    commands: Type.Number({ minimum: 0, description: 'Redis commands a request' }),
    redisBytes: Type.Number({ description: 'bytes to and from Redis a request' }),
    generatorUtilisation: Share,
    steal: Share,
    otherCores: Share,
    latency: Type.Optional(Latency),
    objections: Type.Array(Type.String(), { description: 'why this boot does not count; empty: it does' }),
  },
  strict,
)

const Variant = Type.Object(
  {
    name: Type.String(),
    label: Type.String(),
    environment: Type.Record(Type.String(), Type.String()),
    proof: Type.Array(Type.String(), { description: 'what was established about it, in words' }),
    statementsByText: Tally,
    commandsByName: Tally,
    boots: Type.Array(Boot),
    summary: Type.Object(
      {
        throughput: Type.Number({ minimum: 0, description: 'geometric mean over the boots that count' }),
        cpuMsPerRequest: Ms,
        rssBytes: Type.Number({ minimum: 0 }),
        responseBytes: Type.Number({ minimum: 0 }),
        statements: Type.Number({ minimum: 0 }),
        commands: Type.Number({ minimum: 0 }),
        redisBytes: Type.Number(),
        bootMs: Ms,
        latency: Type.Optional(
          Type.Object(
            {
              ratePerSecond: Type.Number(),
              p50: Ms,
              p95: Ms,
              p99: Ms,
              p999: Ms,
              max: Ms,
              errors: Count,
              curve: Type.Array(Type.Tuple([Type.Number(), Type.Number()]), {
                description: '[percentile, ms]',
              }),
            },
            strict,
          ),
        ),
      },
      strict,
    ),
  },
  strict,
)

const Interval = Type.Object(
  {
    pairs: Count,
    ratio: Type.Number({ description: 'above 1: the tuned side is better' }),
    low: Type.Number({ description: 'lower end of the 95 % interval' }),
    high: Type.Union([Type.Number(), Type.Null()], { description: 'upper end; null: unbounded' }),
    p: Type.Number(),
  },
  strict,
)

const Comparison = Type.Object(
  {
    variant: Type.String(),
    label: Type.String(),
    metric: Type.Union([Type.Literal('throughput'), Type.Literal('p99')]),
    effect: Interval,
    pHolm: Type.Number({ description: 'p after Holm’s correction over all comparisons of the run' }),
    detectable: Type.Union([Type.Number(), Type.Null()], {
      description: 'the smallest ratio that would have been seen in 4 runs of 5',
    }),
    verdict: Type.Union([
      Type.Literal('better'),
      Type.Literal('worse'),
      Type.Literal('no difference'),
      Type.Literal('refused'),
    ]),
    refused: Type.Optional(Type.String()),
  },
  strict,
)

const Scenario = Type.Object(
  {
    name: Type.String(),
    title: Type.String(),
    about: Type.String(),
    guide: Type.String(),
    service: Type.String(),
    primary: Type.Union([Type.Literal('throughput'), Type.Literal('p99')]),
    connections: Count,
    beside: Type.Optional(
      Type.Boolean({ description: 'latency is that of other requests meanwhile, of /health' }),
    ),
    variants: Type.Array(Variant),
    comparisons: Type.Array(Comparison),
    refused: Type.Optional(Type.String({ description: 'why nothing of this scenario counts' })),
    notRun: Type.Optional(Type.String({ description: 'what the machine lacks for this scenario' })),
  },
  strict,
)

/** The shape of `bench/results/<time>.json`; `results.schema.json` is made from it. */
export const ResultsSchema = Type.Object(
  {
    schemaVersion: Type.Literal(1),
    startedAt: Type.String({ description: 'ISO 8601' }),
    finishedAt: Type.String({ description: 'ISO 8601' }),
    seconds: Type.Number({ minimum: 0 }),
    complete: Type.Boolean({ description: 'false: interrupted, what there was is here' }),
    command: Type.String(),
    fingerprint: Fingerprint,
    world: Type.Record(Type.String(), Count, { description: 'rows in the database' }),
    warnings: Type.Array(Type.String()),
    scenarios: Type.Array(Scenario),
  },
  {
    ...strict,
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Results of pnpm bench',
  },
)

export type Results = Static<typeof ResultsSchema>
export type ScenarioResult = Static<typeof Scenario>
export type VariantResult = Static<typeof Variant>
export type BootResult = Static<typeof Boot>
export type ComparisonResult = Static<typeof Comparison>
export type FingerprintResult = Static<typeof Fingerprint>
