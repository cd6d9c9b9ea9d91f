import { baselinePath, boundText, type Interval, ratioText, readCommitted } from './duet-results.ts'

interface Comparison {
  readonly variant: string
  readonly label: string
  readonly metric: 'throughput' | 'p99'
  readonly verdict: 'better' | 'worse' | 'no difference' | 'refused'
  readonly effect: Interval
}

interface Scenario {
  readonly name: string
  readonly title: string
  readonly comparisons: readonly Comparison[]
}

/** The parts of the results of `pnpm bench` that documents show. */
interface Results {
  readonly command: string
  readonly fingerprint: {
    readonly cpuModel: string
    readonly cores: number
    readonly memoryBytes: number
    readonly node: string
    readonly postgres?: string
    readonly redis?: string
  }
  readonly scenarios: readonly Scenario[]
}

export const DEFAULT_SET = 'bench/baselines/2-cores.json'
/** The other scenarios, the newest measurement first. */
const OTHERS = (['services', 'switches', 'scaling'] as const).map(baselinePath)
const FIGURE = /<!--figure (\S+) \/ (.+?)-->.*?<!--\/figure-->/g

/** The line of README.md below the chart: all tunings together. Undefined where the benchmark was removed. */
export function ablationSentence(): string | undefined {
  const [results] = readRuns()
  const naive = results?.scenarios.find(({ name }) => name === 'naive')?.comparisons[0]
  if (results === undefined || naive === undefined) return undefined
  return `With every tuning as shipped: **${ratioText(naive.effect.ratio)}** (95 % interval ${boundsOf(naive.effect)}) as many requests a second as with none. ${machineOf(results)}
([all figures](${DEFAULT_SET})).
`
}

/** A table of every comparison of the default set, the largest effect first. Undefined where the benchmark was removed. */
export function ablationTable(): string | undefined {
  const runs = readRuns()
  const [results] = runs
  if (results === undefined) return undefined
  const rows = results.scenarios.flatMap(({ name, title, comparisons }) =>
    comparisons.map((comparison) => ({ title, ...(measured(runs, name, comparison.variant) ?? comparison) })),
  )
  const lines = rows
    .toSorted((a, b) => b.effect.ratio - a.effect.ratio)
    .map(({ title, label, metric, verdict, effect }) => {
      const what = `${label}: ${title}, ${metric === 'p99' ? 'p99' : 'requests/s'}`
      const cells = verdict === 'refused' ? ['not measured', ''] : [ratioOf(effect), boundsOf(effect)]
      return `| ${[what, ...cells].join(' | ')} |\n`
    })
  return `${machineOf(results)}. As ratios, with the 95 % interval over boots of fresh processes:

| with the tuning against without it | ratio | interval |
|---|---:|---|
${lines.join('')}`
}

function machineOf({ command, fingerprint }: Results): string {
  const { cores, cpuModel, memoryBytes, node, postgres, redis } = fingerprint
  return `Measured with \`${command}\` on ${cores} cores of
an ${cpuModel} with ${Math.round(memoryBytes / 2 ** 30)} GiB, Node ${node.replace('v', '')}, Postgres ${postgres}, Redis ${redis}, everything on one machine`
}

/**
 * Fills in the measured figures of a document: the text between `<!--figure scenario / variant-->` and `<!--/figure-->`.
 *
 * @throws Error when no committed run has measured such a comparison
 */
export function withComparisons(document: string): string {
  const runs = readRuns()
  if (runs.length === 0) return document
  return document.replace(FIGURE, (_text, scenario: string, variant: string) => {
    const comparison = measured(runs, scenario, variant)
    if (comparison === undefined) throw new Error(`No committed run compares ${scenario} / ${variant}`)
    return `<!--figure ${scenario} / ${variant}-->${figure(comparison)}<!--/figure-->`
  })
}

/** The committed runs, that of the default set first. */
function readRuns(): Results[] {
  return [DEFAULT_SET, ...OTHERS].flatMap((path) => readCommitted<Results>(path) ?? [])
}

/** The comparison in the first run that has a verdict on it. */
function measured(runs: readonly Results[], scenario: string, variant: string): Comparison | undefined {
  const found = runs
    .flatMap(({ scenarios }) => scenarios)
    .filter(({ name }) => name === scenario)
    .flatMap(({ comparisons }) => comparisons.filter((each) => each.variant === variant))
  return found.find(({ verdict }) => verdict !== 'refused') ?? found[0]
}

function figure({ verdict, effect }: Comparison): string {
  if (verdict === 'refused') return 'not measured'
  const text = `${ratioText(effect.ratio)} (${boundsOf(effect)})`
  return isUnclear(effect) ? `${text}, no difference seen` : text
}

function ratioOf(effect: Interval): string {
  return isUnclear(effect) ? 'no difference seen' : ratioText(effect.ratio)
}

/** The interval of the comparison by itself contains 1. */
function isUnclear({ low, high }: Interval): boolean {
  return low <= 1 && (high ?? Infinity) >= 1
}

function boundsOf({ low, high }: Interval): string {
  return `${boundText(low)}–${high === null ? '∞' : boundText(high)}`
}
