import { readFileSync } from 'node:fs'
import { type Static, Type } from 'typebox'
import { Value } from 'typebox/value'
import { BenchError } from '../errors.ts'
import type { BootResult, Results } from '../report/schema.ts'
import { pairsOf } from '../run/summary.ts'

const STRICT = { additionalProperties: false } as const
const Pair = Type.Tuple([Type.Number({ exclusiveMinimum: 0 }), Type.Number({ exclusiveMinimum: 0 })])

const RecordedPairs = Type.Object(
  {
    recordedAt: Type.String({ description: 'ISO 8601' }),
    command: Type.String(),
    machine: Type.String(),
    setUps: Type.Array(
      Type.Object(
        {
          name: Type.String(),
          throughput: Type.Array(Pair, { description: 'requests a second of two boots of one round' }),
          p99: Type.Array(Pair, { description: 'ms, open loop' }),
        },
        STRICT,
      ),
    ),
  },
  STRICT,
)

/** Pairs of boots of the same set-up, which show the spread of the measurements. */
type RecordedPairs = Static<typeof RecordedPairs>

/** A longer recording would be too large for a fixture. */
const MAXIMUM_PAIRS = 30

/** The figures of an A/A run as a test fixture: the pairs in which both boots are valid. */
export function recordPairs({ startedAt, command, fingerprint, scenarios }: Results): string {
  const recorded: RecordedPairs = {
    recordedAt: startedAt,
    command,
    machine: `${fingerprint.cores} × ${fingerprint.cpuModel}, ${fingerprint.kernel}, Node ${fingerprint.node}`,
    setUps: scenarios.map(({ name, variants: [a, b] }) => {
      const pairs = pairsOf(a?.boots ?? [], b?.boots ?? [])
        .filter(([first, second]) => first.objections.length + second.objections.length === 0)
        .slice(0, MAXIMUM_PAIRS)
      const figures = (pick: (boot: BootResult) => number | undefined) =>
        pairs.flatMap(([first, second]): [number, number][] => {
          const [x, y] = [pick(first), pick(second)]
          return x && y ? [[x, y]] : []
        })
      return {
        name,
        throughput: figures(({ throughput }) => throughput),
        p99: figures(({ latency }) => latency?.p99),
      }
    }),
  }
  // One line for each array of pairs, so that a diff of two recordings is readable.
  const text = JSON.stringify(
    recorded,
    (key, value) => (key === 'throughput' || key === 'p99' ? JSON.stringify(value) : value),
    2,
  )
  return `${text.replaceAll(/"(\[\[.*\]\]|\[\])"/g, '$1')}\n`
}

/** @throws BenchError when the file is not a recording */
export function readRecordedPairs(file: string | URL): RecordedPairs {
  const value: unknown = JSON.parse(readFileSync(file, 'utf8'))
  if (Value.Check(RecordedPairs, value)) return value
  throw new BenchError('RECORDING_INVALID', `${file} is not a recording of bench aa`)
}
