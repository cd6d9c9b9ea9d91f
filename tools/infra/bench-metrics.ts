import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { action, REPOSITORY_ROOT } from '@reference/cli'

interface Results {
  finishedAt: string
  fingerprint: { cpuModel: string; cores: number; node: string }
  scenarios: {
    name: string
    variants: { name: string; summary?: { throughput?: number; cpuMsPerRequest?: number } }[]
    comparisons: {
      variant: string
      metric: string
      effect?: { ratio: number; low: number; high: number }
    }[]
  }[]
}

const TARGET = join(REPOSITORY_ROOT, 'infra/prometheus/textfile/bench.prom')
const BASELINE = 'bench/baselines/2-cores.json'

/** `pnpm infra bench-metrics`. */
export const benchMetricsCommand = action({
  summary: 'Make the figures of a benchmark run available to the dashboard "Benchmark runs".',
  positionals: { placeholder: 'RESULTS.json', help: `${BASELINE} unless given`, maximum: 1 },
  details: 'Writes infra/prometheus/textfile/bench.prom, which the node exporter reads.',
  run(_, [file = join(REPOSITORY_ROOT, BASELINE)]) {
    // Write, then rename: the exporter may read at any time.
    writeFileSync(`${TARGET}.part`, expose(JSON.parse(readFileSync(file, 'utf8')) as Results))
    renameSync(`${TARGET}.part`, TARGET)
    return undefined
  },
})

/** Formats a run as Prometheus text: one gauge sample for each scenario and variant. */
function expose(results: Results): string {
  const { fingerprint, scenarios, finishedAt } = results
  const { cpuModel, cores, node } = fingerprint
  const lines: string[] = []
  const family = (name: string, help: string, samples: [labels: Record<string, string>, value: number][]) => {
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} gauge`)
    for (const [labels, value] of samples) {
      const pairs = Object.entries(labels).map(([label, text]) => `${label}=${JSON.stringify(text)}`)
      lines.push(`${name}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${value}`)
    }
  }
  const variants = scenarios.flatMap((of) =>
    of.variants.map((variant) => ({ scenario: of.name, ...variant })),
  )
  family('bench_run_info', 'The machine of the latest benchmark run; always 1', [
    [{ cpu: cpuModel, cores: `${cores}`, node }, 1],
  ])
  family('bench_finished_timestamp_seconds', 'When the latest benchmark run ended', [
    [{}, Date.parse(finishedAt) / 1000],
  ])
  family(
    'bench_throughput',
    'Requests a second',
    variants.flatMap(({ scenario, name, summary }) =>
      summary?.throughput === undefined ? [] : [[{ scenario, variant: name }, summary.throughput]],
    ),
  )
  family(
    'bench_cpu_seconds_per_request',
    'CPU time of the service a request',
    variants.flatMap(({ scenario, name, summary }) =>
      summary?.cpuMsPerRequest === undefined
        ? []
        : [[{ scenario, variant: name }, summary.cpuMsPerRequest / 1000]],
    ),
  )
  family(
    'bench_ratio',
    'With the tuning against without it; above 1 is better',
    scenarios.flatMap(({ name: scenario, comparisons }) =>
      comparisons.flatMap(({ variant, metric, effect }) => {
        if (effect === undefined) return []
        const bounds = { estimate: effect.ratio, low: effect.low, high: effect.high }
        return Object.entries(bounds).map(([bound, value]): [Record<string, string>, number] => [
          { scenario, variant, metric, bound },
          value,
        ])
      }),
    ),
  )
  return `${lines.join('\n')}\n`
}
