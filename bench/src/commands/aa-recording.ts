import { readFileSync } from 'node:fs'
import { type Static, Type } from 'typebox'
import { Value } from 'typebox/value'
import { BenchError } from '../errors.ts'
import type { Results } from '../report/schema.ts'
import { latenessOf } from '../stats/validity.ts'

const STRICT = { additionalProperties: false } as const

const RecordedBoots = Type.Object(
  {
    runs: Type.Array(
      Type.Object({ recordedAt: Type.String({ description: 'ISO 8601' }), command: Type.String() }, STRICT),
    ),
    machine: Type.String(),
    setUps: Type.Array(
      Type.Object(
        {
          name: Type.String(),
          rate: Type.Array(Type.Tuple([Type.Number(), Type.Number({ minimum: 0 })]), {
            description:
              'of each boot: logarithm of the ratio of the requests/s, and its variance by the turns',
          }),
          p99: Type.Array(Type.Number(), { description: 'of each boot: logarithm of the ratio of the p99' }),
        },
        STRICT,
      ),
    ),
  },
  STRICT,
)

/** Boots of a set-up beside itself, which show the spread of the measurements. */
type RecordedBoots = Static<typeof RecordedBoots>

/** A longer recording would be too large for a fixture. */
const MAXIMUM_BOOTS = 30

/**
 * The figures of an A/A run as a test fixture: the boots in which both sides count.
 *
 * @param earlier boots of the same machine, which the new ones follow
 * @throws BenchError when they are of another machine
 */
export function recordBoots(
  { startedAt, command, fingerprint, scenarios }: Results,
  earlier?: RecordedBoots,
): string {
  const machine = `${fingerprint.cores} × ${fingerprint.cpuModel}, ${fingerprint.kernel}, Node ${fingerprint.node}`
  if (earlier !== undefined && earlier.machine !== machine)
    throw new BenchError('RECORDING_INVALID', `the recording is of another machine: ${earlier.machine}`)
  const recorded: RecordedBoots = {
    runs: [...(earlier?.runs ?? []), { recordedAt: startedAt, command }],
    machine,
    setUps: scenarios.map(({ name, variants: [a, b] }) => {
      const before = earlier?.setUps.find((setUp) => setUp.name === name)
      const other = new Map((b?.boots ?? []).map((boot) => [boot.boot, boot]))
      const pairs = (a?.boots ?? []).flatMap((first) => {
        const second = other.get(first.boot)
        return second && first.objections.length + second.objections.length === 0 ? [{ first, second }] : []
      })
      const rate = pairs.flatMap(({ second: { ratios } }): [number, number][] =>
        ratios?.rate?.variance === undefined ? [] : [[ratios.rate.log, ratios.rate.variance]],
      )
      const p99 = pairs.flatMap(({ first, second }) =>
        first.latency &&
        second.latency &&
        latenessOf(Math.max(first.latency.lagP99Ms, second.latency.lagP99Ms)) === undefined
          ? [Number(Math.log(second.latency.p99 / first.latency.p99).toFixed(6))]
          : [],
      )
      return {
        name,
        rate: [...(before?.rate ?? []), ...rate].slice(0, MAXIMUM_BOOTS),
        p99: [...(before?.p99 ?? []), ...p99].slice(0, MAXIMUM_BOOTS),
      }
    }),
  }
  // One line for each array, so that a diff of two recordings is readable.
  const text = JSON.stringify(
    recorded,
    (key, value) => (key === 'rate' || key === 'p99' ? JSON.stringify(value) : value),
    2,
  )
  return `${text.replaceAll(/"(\[.*\])"/g, '$1')}\n`
}

/** @throws BenchError when the file is not a recording */
export function readRecordedBoots(file: string | URL): RecordedBoots {
  const value: unknown = JSON.parse(readFileSync(file, 'utf8'))
  if (Value.Check(RecordedBoots, value)) return value
  throw new BenchError('RECORDING_INVALID', `${file} is not a recording of bench aa`)
}
