import type { JobResult } from '../load/generator.ts'
import type { BootResult } from '../report/schema.ts'
import type { DatabaseCosts } from '../stack/counters.ts'
import type { Interference } from '../stack/interference.ts'
import { mergeHistograms, percentilesOf } from '../stats/histogram.ts'
import { objectionsTo } from './validity.ts'

/** One measured boot. */
export interface MeasuredBoot {
  readonly boot: BootResult
  /** Other programs disturbed it. */
  readonly noisy: boolean
  readonly proof: readonly string[]
  readonly costs: DatabaseCosts
}

/** The load generator's figures. */
export interface ClientFigures {
  readonly warmup: { readonly slices: readonly number[]; readonly steady: boolean }
  readonly closed: Omit<JobResult<'closed'>, 'slices' | 'steady'>
  readonly open: (JobResult<'open'> & { readonly ratePerSecond: number }) | undefined
}

/** Figures that only the machine of the server has. */
interface ServerFigures {
  readonly bootMs: number
  /** CPU time of the server during the closed loop. */
  readonly cpuMs: number
  readonly rssBytes: number
  readonly interference: Interference
  readonly costs: DatabaseCosts
}

/** For a deployment on another machine. */
export const UNKNOWN_SERVER: ServerFigures = {
  bootMs: 0,
  cpuMs: 0,
  rssBytes: 0,
  interference: { steal: 0, otherCores: 0 },
  costs: { statements: 0, commands: 0, statementsByText: {}, commandsByName: {}, redisBytes: 0 },
}

export function toMeasuredBoot(
  round: number,
  { warmup, closed, open }: ClientFigures,
  { bootMs, cpuMs, rssBytes, interference, costs }: ServerFigures,
  proof: readonly string[],
): MeasuredBoot {
  const answered = Math.max(1, closed.answered)
  const objections = objectionsTo({
    interference,
    generatorUtilisation: closed.utilisation,
    lagP99Ms: open?.lagP99Ms ?? 0,
    errorShare: (closed.errors + (open?.errors ?? 0)) / (answered + (open?.sent ?? 0)),
  })
  const { statements, commands, redisBytes } = costs
  return {
    noisy: objections.some(({ kind }) => kind === 'noise'),
    proof,
    costs,
    boot: {
      round,
      bootMs: rounded(bootMs),
      warmup: { slices: warmup.slices.length, steady: warmup.steady },
      throughput: rounded(closed.rate),
      errors: closed.errors,
      cpuMsPerRequest: rounded(cpuMs / answered, 4),
      rssBytes,
      responseBytes: rounded(closed.bytesPerRequest),
      ...{ statements, commands, redisBytes },
      generatorUtilisation: rounded(closed.utilisation, 3),
      steal: rounded(interference.steal, 4),
      otherCores: rounded(interference.otherCores, 3),
      objections: objections.map(({ message }) => message),
      ...(open && { latency: latencyOf(open) }),
    },
  }
}

/** The boot without its objections: it counts although other programs were busy. */
export function withoutObjections(measured: MeasuredBoot): MeasuredBoot {
  return { ...measured, boot: { ...measured.boot, objections: [] } }
}

function latencyOf({
  ratePerSecond,
  sent,
  errors,
  lagP99Ms,
  histogram,
}: NonNullable<ClientFigures['open']>): NonNullable<BootResult['latency']> {
  const percentiles = percentilesOf(mergeHistograms([histogram]))
  return { ratePerSecond, sent, errors, ...percentiles, lagP99Ms: rounded(lagP99Ms, 3), histogram }
}

function rounded(value: number, digits = 1): number {
  return Number(value.toFixed(digits))
}
