import { writeFileSync } from 'node:fs'
import { all } from '../../scenarios/all.ts'
import { naive } from '../../scenarios/naive.ts'
import { BenchError, UnprovenError } from '../errors.ts'
import { answers, startedWith } from '../proofs/proofs.ts'
import { resultsName, writeResults } from '../report/results-file.ts'
import type { Results } from '../report/schema.ts'
import { times } from '../report/table.ts'
import { withBench } from '../run/bench.ts'
import { type Bench, type MeasuredBoot, measureBoot } from '../run/boot.ts'
import type { Durations } from '../run/plan.ts'
import { createProgress, type Progress } from '../run/progress.ts'
import { startRecording } from '../run/results-builder.ts'
import type { Measured } from '../run/rounds.ts'
import type { Scenario, Variant } from '../run/scenario.ts'
import { tuningSwitches } from '../run/switches.ts'
import { type Effect, pairedEffect } from '../stats/effect.ts'
import type { Arguments } from './arguments.ts'

type Settings = Readonly<Record<string, string>>

/** A change that was tried, and what came of it. */
interface Trial {
  readonly name: string
  readonly before: string
  readonly after: string
  readonly measured: Measured
  readonly effect: Effect
  readonly kept: boolean
}

interface Found {
  readonly trials: readonly Trial[]
  /** Values that there was no time for. */
  readonly skipped: readonly string[]
  readonly confirmed: Trial | undefined
  readonly complete: boolean
}

const durations: Durations = { warmupMs: 1000, closedMs: 600, openMs: 1200 }
const defaultBudgetMs = 5 * 60_000
const confirmPairs = 3
const mostPairs = 5

/**
 * Switches that buy speed with something that a benchmark on one machine cannot see (bytes on a real network, freshness,
 * safety, being watched). They stay as they are; a person decides.
 */
const traded = new Set([
  'COMPRESSION',
  'CACHE_PAGE_TTL_MS',
  'CACHE_OUTBOX',
  'RESPONSE_SCHEMAS',
  'METRICS',
  'REQUEST_LOG',
])

/** Switches that the requests of tuning do not come by: whatever they are set to, nothing would be seen. */
const unseen: Readonly<Record<Arguments['service'], ReadonlySet<string>>> = {
  'reference-api': new Set(['WORKER_THREADS', 'BACKGROUND_JOBS']),
  'parallel-api': new Set([
    'WORKER_THREADS',
    'HTTP_KEEP_ALIVE',
    'CACHE_L1',
    'CACHE_L2',
    'REDIS_AUTO_PIPELINING',
  ]),
}

/** Values to try for what is a number. */
const numbers: Readonly<Record<string, readonly number[]>> = {
  DB_POOL_MAX: [5, 10, 20, 30, 60],
}

/**
 * `bench tune`: the guide's loop by itself. Changes one setting, measures it in pairs against the settings so far, keeps
 * it when it is significantly better, rolls it back otherwise, confirms the end result against the start on fresh runs,
 * and writes the settings as an env file with the evidence for each.
 */
export async function tune(args: Arguments, signal: AbortSignal): Promise<number> {
  const recording = startRecording(args)
  const deadlineMs = recording.beganMs + (args.budgetMs ?? defaultBudgetMs) - 4000
  const progress = createProgress()
  const scenario = args.service === 'reference-api' ? naive : all

  const { results, text } = await withBench(
    { world: args.world, durations, progress, signal },
    async (bench, fingerprint) => {
      const start = startingPoint(args)
      const found = await loop({
        bench,
        args,
        scenario,
        start,
        deadlineMs,
        progress,
      })
      const { trials, confirmed, complete } = found
      const measured = [...trials.map(({ measured }) => measured), ...(confirmed ? [confirmed.measured] : [])]
      const results = recording.finish({ fingerprint, measured, complete })
      return { results, text: renderEnvironment({ args, scenario, results, ...found }) }
    },
  )

  const base = args.out?.replace(/\.json$/, '') ?? resultsName(recording.startedAt)
  const envFile = args.envFile ?? `${base}.env`
  const report = writeResults(`${base}.json`, results)
  writeFileSync(envFile, text)
  process.stdout.write(`${text}\n${envFile}\n${base}.json\n${report}\n`)
  return results.complete ? 0 : 130
}

/** As shipped, or, with `--from naive`, as an app that was never tuned. */
function startingPoint({ service, from }: Arguments): Settings {
  const rows = searched(service)
  return from === 'naive' ? Object.fromEntries(rows.map(({ name, naive }) => [name, naive])) : {}
}

function searched(service: Arguments['service']) {
  return tuningSwitches().filter(
    ({ services, name }) => services.includes(service) && !traded.has(name) && !unseen[service].has(name),
  )
}

function candidates({ service }: Arguments): { name: string; values: readonly string[]; tuned: string }[] {
  return (
    searched(service)
      .map(({ name, tuned }) => ({ name, tuned, values: numbers[name]?.map(String) ?? ['on', 'off'] }))
      // Caches first: they decide what is left for the rest to do.
      .toSorted((a, b) => Number(b.name.startsWith('CACHE')) - Number(a.name.startsWith('CACHE')))
  )
}

async function loop(given: {
  bench: Bench
  args: Arguments
  scenario: Scenario
  start: Settings
  deadlineMs: number
  progress: Progress
}): Promise<Found> {
  const { bench, args, scenario, start, deadlineMs, progress } = given
  const trials: Trial[] = []
  const skipped: string[] = []
  let current = start
  let confirmed: Trial | undefined
  try {
    const pilot = await measureBoot(bench, {
      scenario: against(scenario, 'pilot', start, start),
      variant: asVariant('pilot', start),
      round: 0,
      rate: undefined,
    })
    const rate =
      args.goal === 'p99' ? (args.rate ?? Math.max(1, Math.round(pilot.boot.throughput / 2))) : undefined
    let pairMs =
      2 * (pilot.boot.bootMs + durations.warmupMs + durations.closedMs + (rate ? durations.openMs : 0) + 600)
    const confirmMs = () => confirmPairs * pairMs
    const goal = { ...scenario, primary: args.goal }

    for (const { name, values, tuned } of candidates(args)) {
      for (const value of values) {
        const before = current[name] ?? tuned
        if (value === before) continue
        // However short the time: one change is tried.
        const first = trials.length === 0
        if (!first && performance.now() + 3 * pairMs + confirmMs() > deadlineMs) {
          skipped.push(`${name}=${value}`)
          continue
        }
        progress.step(`${name}=${value} instead of ${before}`, deadlineMs - performance.now())
        const trialBegan = performance.now()
        const changed = { ...current, [name]: value }
        const trial = await compare(bench, against(goal, `${name}=${value}`, changed, current), {
          rate,
          mostPairs: first ? confirmPairs : mostPairs,
          allowNoise: args.allowNoise,
          until: first ? Infinity : deadlineMs - confirmMs(),
        })
        pairMs = (performance.now() - trialBegan) / Math.max(1, trial.pairs)
        const kept = trial.refused === undefined && trial.effect.pairs >= 3 && trial.effect.low > 1
        trials.push({ name, before, after: value, measured: trial.measured, effect: trial.effect, kept })
        progress.note(
          trial.refused === undefined
            ? `${name}=${value}: ${times(trial.effect.ratio)} over ${trial.effect.pairs} pairs: ${kept ? 'kept' : 'rolled back'}`
            : `${name}=${value}: refused: ${trial.refused}`,
        )
        if (kept) current = changed
      }
    }
    if (trials.some(({ kept }) => kept)) {
      progress.step('confirming on fresh runs', deadlineMs - performance.now())
      const trial = await compare(bench, against(goal, 'confirmed', current, start), {
        rate,
        mostPairs: confirmPairs,
        allowNoise: args.allowNoise,
        until: Infinity,
        toTheEnd: true,
      })
      const kept = trial.refused === undefined && trial.effect.low > 1
      confirmed = {
        name: 'all of them',
        before: 'start',
        after: 'end',
        measured: trial.measured,
        effect: trial.effect,
        kept,
      }
    }
    return { trials, skipped, confirmed, complete: true }
  } catch (error) {
    if (!bench.signal.aborted) throw error
    return { trials, skipped, confirmed, complete: false }
  } finally {
    progress.done()
  }
}

/** The scenario with `changed` as its tuned side and `base` as what it is compared with. */
function against(scenario: Scenario, name: string, changed: Settings, base: Settings): Scenario {
  return {
    ...scenario,
    counted: 20,
    name: `tune: ${name}`,
    title: name,
    tuned: asVariant('changed', changed),
    variants: [{ ...asVariant('before', base), label: name }],
  }
}

function asVariant(name: string, environment: Settings): Variant {
  return {
    name,
    label: name,
    environment,
    proofs: [answers(200), ...Object.entries(environment).map(([key, value]) => startedWith(key, value))],
  }
}

/** Pairs in the order A B, B A, …; ends early when two pairs say that nothing is to be gained. */
async function compare(
  bench: Bench,
  scenario: Scenario,
  limits: {
    rate: number | undefined
    mostPairs: number
    until: number
    allowNoise: boolean
    toTheEnd?: boolean
  },
): Promise<{ measured: Measured; effect: Effect; pairs: number; refused: string | undefined }> {
  const [other] = scenario.variants
  const boots = new Map<string, MeasuredBoot[]>([
    [scenario.tuned.name, []],
    [other?.name ?? '', []],
  ])
  const ratios: number[] = []
  let effect = pairedEffect(ratios)
  let pairs = 0
  for (; pairs < limits.mostPairs && performance.now() < limits.until; pairs++) {
    const order = pairs % 2 === 0 ? [scenario.tuned, other] : [other, scenario.tuned]
    for (const variant of order) {
      if (variant === undefined) continue
      const boot = await attempt(bench, { scenario, variant, round: pairs, rate: limits.rate })
      if (typeof boot === 'string') {
        const refused = `${variant.name}: ${boot}`
        return { measured: { scenario, boots, refused }, effect, pairs, refused }
      }
      const { objections } = boot.boot
      boots
        .get(variant.name)
        ?.push({ ...boot, boot: { ...boot.boot, objections: limits.allowNoise ? [] : objections } })
    }
    const [changed, base] = [boots.get(scenario.tuned.name)?.at(-1), boots.get(other?.name ?? '')?.at(-1)]
    if (changed === undefined || base === undefined) continue
    if (changed.boot.objections.length + base.boot.objections.length > 0) continue
    ratios.push(
      scenario.primary === 'throughput'
        ? changed.boot.throughput / base.boot.throughput
        : (base.boot.latency?.p99 ?? 1) / (changed.boot.latency?.p99 ?? 1),
    )
    effect = pairedEffect(ratios)
    const hopeless = ratios.length >= 2 && ratios.every((ratio) => ratio < 1.02)
    const settled = ratios.length >= 3 && effect.low > 1
    if (!limits.toTheEnd && (hopeless || settled)) {
      pairs++
      break
    }
  }
  return { measured: { scenario, boots, refused: undefined }, effect, pairs, refused: undefined }
}

/** A boot, or why a value cannot be measured: not proven, or the service does not start with it. */
async function attempt(bench: Bench, of: Parameters<typeof measureBoot>[1]): Promise<MeasuredBoot | string> {
  for (let tries = 1; ; tries++) {
    try {
      return await measureBoot(bench, of)
    } catch (error) {
      bench.signal.throwIfAborted()
      if (!(error instanceof BenchError)) throw error
      if (!(error instanceof UnprovenError) || tries === 2) return error.message
    }
  }
}

function renderEnvironment(of: Found & { args: Arguments; scenario: Scenario; results: Results }): string {
  const { args, scenario, trials, skipped, confirmed, results } = of
  const { fingerprint } = results
  const rolledBack = trials.filter((trial) => !trial.kept)
  const kept = new Map(trials.filter((trial) => trial.kept).map((trial) => [trial.name, trial]))
  const start = Object.entries(startingPoint(args)).filter(([name]) => !kept.has(name))
  const verdict = confirmed
    ? confirmed.kept
      ? `confirmed on fresh runs: ${evidence(confirmed.effect)}`
      : `NOT confirmed on fresh runs (${evidence(confirmed.effect)}): better go on with the settings as they were`
    : 'nothing was significantly better than the settings as they were'
  const lines = [
    `# ${args.service}, ${args.goal}: ${scenario.about}`,
    `# ${results.startedAt}, ${fingerprint.cores} × ${fingerprint.cpuModel}, Node ${fingerprint.node}`,
    `# ${verdict}`,
    ...[...kept.values()].flatMap((trial) => [
      '',
      `# instead of ${trial.before}: ${evidence(trial.effect)}`,
      `${trial.name}=${trial.after}`,
    ]),
    ...(start.length > 0 ? ['', '# as at the start'] : []),
    ...start.map(([name, value]) => `${name}=${value}`),
    '',
    ...(rolledBack.length > 0 ? ['# tried and rolled back'] : []),
    ...rolledBack.map(
      ({ name, before, after, effect, measured }) =>
        `#   ${name}=${after} instead of ${before}: ${measured.refused === undefined ? evidence(effect) : `refused: ${measured.refused.split('\n')[0]}`}`,
    ),
    ...(skipped.length > 0 ? [`# not tried for want of time: ${skipped.join(', ')}`] : []),
    `# not tried, since they trade speed for something else: ${[...traded].join(', ')}`,
  ]
  return `${lines.join('\n')}\n`
}

function evidence({ ratio, low, high, pairs }: Effect): string {
  return Number.isFinite(high)
    ? `${times(ratio)} (95 %: ${low.toFixed(2)} to ${high.toFixed(2)}, ${pairs} pairs)`
    : `${times(ratio)} (${pairs} pair)`
}
