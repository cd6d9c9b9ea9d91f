import { readFileSync } from 'node:fs'
import { type Static, Type } from 'typebox'
import { Value } from 'typebox/value'
import { BenchError } from '../errors.ts'
import type { BootResult, Results } from '../report/schema.ts'

const strict = { additionalProperties: false } as const
const Pair = Type.Tuple([Type.Number({ exclusiveMinimum: 0 }), Type.Number({ exclusiveMinimum: 0 })])

const RecordedBoots = Type.Object(
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
        strict,
      ),
    ),
  },
  strict,
)

/** Pairs of boots of the same set-up: how much two measurements of one thing differ. */
export type RecordedBoots = Static<typeof RecordedBoots>

/** More than these would make a fixture that nobody reads. */
const mostPairs = 30

/** The figures of an A/A run as a fixture: those pairs of which both boots count. */
export function recordBoots({ startedAt, command, fingerprint, scenarios }: Results): string {
  const recorded: RecordedBoots = {
    recordedAt: startedAt,
    command,
    machine: `${fingerprint.cores} × ${fingerprint.cpuModel}, ${fingerprint.kernel}, Node ${fingerprint.node}`,
    setUps: scenarios.map(({ name, variants: [a, b] }) => {
      const pairs = pairsOf(a?.boots ?? [], b?.boots ?? []).slice(0, mostPairs)
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
  // A line a set-up and metric, so that a new recording can be read as a change.
  const setUps = recorded.setUps.map(
    ({ name, throughput, p99 }) =>
      `    {\n      "name": ${JSON.stringify(name)},\n      "throughput": ${JSON.stringify(throughput)},\n      "p99": ${JSON.stringify(p99)}\n    }`,
  )
  const { recordedAt, machine } = recorded
  return `{\n  "recordedAt": ${JSON.stringify(recordedAt)},\n  "command": ${JSON.stringify(command)},\n  "machine": ${JSON.stringify(machine)},\n  "setUps": [\n${setUps.join(',\n')}\n  ]\n}\n`
}

/** @throws BenchError when the file is no recording */
export function readRecordedBoots(file: string | URL): RecordedBoots {
  const value: unknown = JSON.parse(readFileSync(file, 'utf8'))
  if (Value.Check(RecordedBoots, value)) return value
  throw new BenchError('RECORDING_INVALID', `${file} is no recording of bench aa`)
}

function pairsOf(a: readonly BootResult[], b: readonly BootResult[]): [BootResult, BootResult][] {
  const byRound = new Map(b.map((boot) => [boot.round, boot]))
  return a.flatMap((first): [BootResult, BootResult][] => {
    const second = byRound.get(first.round)
    if (second === undefined || first.objections.length + second.objections.length > 0) return []
    return [[first, second]]
  })
}
