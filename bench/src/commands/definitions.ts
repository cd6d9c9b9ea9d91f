import {
  action,
  type Command,
  EXIT_CODES,
  flag,
  integer,
  oneOf,
  text,
  texts,
  UsageError,
} from '@reference/cli'
import { duration, httpUrl, percentage, share } from './options.ts'

const rows = (table: string, fallback: number) =>
  integer({ help: `rows in ${table}`, minimum: 1, maximum: 99_999_999, fallback })

const DATASET = {
  users: rows('users', 10_000),
  products: rows('products', 1_000),
  orders: rows('orders', 50_000),
}
const OUT = {
  out: text({
    placeholder: 'FILE',
    help: 'JSON file for the results (bench/results/<time>.json); the report has the same name, report.html is always the newest',
  }),
}
const BOOTS = {
  full: flag({ help: 'every scenario and every switch, with longer boots' }),
  boots: integer({ help: 'exactly N boots of each variant, whatever the budget', minimum: 1 }),
}
const SERVICE = {
  service: oneOf(['reference-api', 'parallel-api'], { help: 'the service', fallback: 'reference-api' }),
}
const RATE = integer({ help: 'requests a second of the open loop (half of the throughput)', minimum: 1 })
const GOAL = oneOf(['throughput', 'p99'], { help: 'the metric to improve', fallback: 'throughput' })
const FROM = oneOf(['shipped', 'naive'], { help: 'initial settings', fallback: 'shipped' })
const SCENARIOS = { placeholder: '[SCENARIO…]', help: 'names of scenarios; the default set without any' }

const INTERRUPTED = 130

/** Each command of `pnpm bench`; `run` is `pnpm bench` itself. Modules are loaded on demand, so that `--help` answers at once. */
export function commands(signal: AbortSignal): Record<string, Command> & { run: Command } {
  return {
    run: run(signal),
    aa: aa(signal),
    tune: tune(signal),
    baseline: baseline(signal),
    floor: floor(signal),
    peers: peers(signal),
    scale: scale(signal),
    'break-even': breakEven(signal),
    profile: profile(signal),
    overload: overload(signal),
    ...tools(signal),
  }
}

function run(signal: AbortSignal): Command {
  return action({
    summary: 'Measure what each tuning is worth on this machine, on a Postgres and a Redis of its own.',
    positionals: SCENARIOS,
    options: {
      ...BOOTS,
      off: texts({
        placeholder: 'SWITCH',
        help: 'one switch at its untuned value, in the scenario that shows it; may be repeated',
      }),
      budget: duration('total time, such as 90s or 10m (165s; with --full 30m)'),
      compare: text({
        placeholder: 'FILE',
        help: 'compare with older results; exit code 1 on a significant loss',
      }),
      margin: share('accepted loss for --compare', '5'),
      url: httpUrl(
        'load a running deployment instead; nothing is compared, because its settings are unknown',
      ),
      ...SERVICE,
      rate: RATE,
      chart: text({ placeholder: 'FILE', help: 'also write the ablation chart as SVG' }),
      ...OUT,
      ...DATASET,
    },
    details: `Commands
  pnpm bench list            scenarios, variants and switches
  pnpm bench baseline        every configured system: response time against its threshold
  pnpm bench break-even      the rate with the cache on and off against its hit ratio
  pnpm bench overload        goodput and latency at up to three times the rate of saturation
  pnpm bench infra           pgbench and redis-benchmark against the stack
  pnpm bench floor           each path beside the least work that could answer it
  pnpm bench peers           our services beside Go with gin and FastAPI
  pnpm bench profile NAME    CPU time and allocations of a scenario, as flame graphs in one page
  pnpm bench scale           latency and plans with 10 and 100 times the rows
  pnpm bench tune            find settings for this machine: change one, measure, keep or roll back
  pnpm bench aa [SCENARIO…]  A/A test: compare every set-up with itself and count false differences
  pnpm bench validate FILE…  check results against bench/results.schema.json

Exit codes: 0 success; 1 a loss or a refused scenario; 64 wrong arguments; 130 interrupted, with the results so far written.`,
    async run({ users, products, orders, budget, url, ...values }, scenarios) {
      const common = { ...values, scenarios, dataset: { users, products, orders } }
      return unlessInterrupted(signal, async () => {
        if (url !== undefined) {
          const { measureDeployment } = await import('./deployment.ts')
          return measureDeployment({ ...common, url }, signal)
        }
        return (await import('./run.ts')).run({ ...common, budgetMs: budget }, signal)
      })
    },
  })
}

function aa(signal: AbortSignal): Command {
  return action({
    summary: 'Compare every set-up with itself and count false differences (A/A test).',
    positionals: SCENARIOS,
    options: {
      ...BOOTS,
      budget: duration('total time (8m)'),
      planted: percentage('slow one of the two sides down by this much CPU time, and find it'),
      record: text({
        placeholder: 'FILE',
        help: 'write the figures of each boot, in the format of bench/testing/recorded-a-a.json, after the boots that the file has',
      }),
      ...OUT,
      ...DATASET,
    },
    details:
      'Exit code 1 when more than 1 in 20 comparisons finds a difference; with --planted, when fewer than half of the set-ups show it.',
    async run({ users, products, orders, budget, ...values }, scenarios) {
      const { runAa } = await import('./aa.ts')
      const dataset = { users, products, orders }
      return unlessInterrupted(signal, () =>
        runAa({ ...values, scenarios, dataset, budgetMs: budget }, signal),
      )
    },
  })
}

function tune(signal: AbortSignal): Command {
  return action({
    summary: 'Find settings for this machine: change one, measure, keep or roll back.',
    options: {
      ...SERVICE,
      goal: GOAL,
      rate: RATE,
      from: FROM,
      budget: duration('total time (5m)'),
      settings: text({
        placeholder: 'FILE',
        help: 'env file for the settings (bench/results/<time>.env)',
      }),
      ...OUT,
      ...DATASET,
    },
    async run({ users, products, orders, budget, settings, ...values }) {
      const module = await import('./tune.ts')
      const dataset = { users, products, orders }
      const args = { ...values, dataset, budgetMs: budget, envFile: settings }
      return unlessInterrupted(signal, () => module.tune(args, signal))
    },
  })
}

function baseline(signal: AbortSignal): Command {
  return action({
    summary: 'Send one command to every configured system and compare response times with thresholds.',
    options: { url: httpUrl('a running service (starts a reference-api)'), ...DATASET },
    async run({ url, ...dataset }) {
      const module = await import('./baseline.ts')
      return unlessInterrupted(signal, () => module.baseline({ url, dataset }, signal))
    },
  })
}

const DUET_OPTIONS = {
  quick: flag({ help: 'two short boots: shows that everything runs, not what it is worth' }),
  boots: integer({ help: 'exactly N boots, whatever the budget', minimum: 1 }),
  budget: duration('total time, such as 4m (5.5m)'),
  build: oneOf(['dist', 'sources'], {
    help: 'our files: a bundle as pnpm build makes it, or the sources (dist)',
  }),
  out: OUT.out,
  ...DATASET,
}
const ROWS = { placeholder: '[ROW…]', help: 'names of rows; all of them, and start and memory, without any' }

function floor(signal: AbortSignal): Command {
  return action({
    summary:
      'Measure each path beside the least work that could answer it: node:http, pgbench, redis-benchmark.',
    positionals: ROWS,
    options: DUET_OPTIONS,
    async run({ users, products, orders, budget, ...values }, rows) {
      const module = await import('./floor.ts')
      const args = { ...values, rows, budgetMs: budget, dataset: { users, products, orders } }
      return unlessInterrupted(signal, () => module.floor(args, signal))
    },
  })
}

function peers(signal: AbortSignal): Command {
  return action({
    summary:
      'Measure our services beside the guide’s own applications, Go with gin and FastAPI (bench/peers).',
    positionals: ROWS,
    options: DUET_OPTIONS,
    details:
      'An application whose language or packages this machine lacks is shown as "not run" with the reason.',
    async run({ users, products, orders, budget, ...values }, rows) {
      const module = await import('./peers.ts')
      const args = { ...values, rows, budgetMs: budget, dataset: { users, products, orders } }
      return unlessInterrupted(signal, () => module.peers(args, signal))
    },
  })
}

function scale(signal: AbortSignal): Command {
  return action({
    summary:
      'Compare the latency of the hot calls, and their plans, on databases with 10 and 100 times the rows.',
    options: {
      times: texts({
        placeholder: 'N',
        help: 'multiple of the users and orders; may be repeated (10 and 100)',
      }),
      boots: integer({ help: 'boots of each service', minimum: 1, fallback: 3 }),
      turns: integer({
        help: 'half seconds of load for each call and database in a boot',
        minimum: 2,
        fallback: 4,
      }),
      ...OUT,
      ...DATASET,
    },
    details:
      'Exit code 1 when a call takes more than 1.3 times as long, or a statement reads far more rows than it returns.',
    async run({ users, products, orders, times, ...values }) {
      const { scale } = await import('./scale.ts')
      const factors = factorsOf(times)
      return unlessInterrupted(signal, () =>
        scale({ ...values, factors, dataset: { users, products, orders } }, signal),
      )
    },
  })
}

function breakEven(signal: AbortSignal): Command {
  return action({
    summary: 'Measure from which hit ratio on the cache pays: the rate with it and without it, 5 % writes.',
    options: {
      rounds: integer({ help: 'slices for each hit ratio and side', minimum: 1, fallback: 3 }),
      'slice-ms': integer({ help: 'duration of a slice', minimum: 100, fallback: 1000 }),
      from: text({ placeholder: 'FILE', help: 'draw these results instead of measuring' }),
      chart: text({ placeholder: 'FILE', help: 'also write the curve as SVG' }),
      out: text({ placeholder: 'FILE', help: 'JSON file for the results (bench/baselines/break-even.json)' }),
      users: rows('users', 400_000),
    },
    async run({ users, 'slice-ms': sliceMs, ...values }) {
      const module = await import('./break-even.ts')
      const dataset = { users, products: 1, orders: 1 }
      return unlessInterrupted(signal, () => module.breakEven({ ...values, sliceMs, dataset }, signal))
    },
  })
}

function profile(signal: AbortSignal): Command {
  return action({
    summary:
      'Record where a scenario spends its CPU time and what it allocates, as flame graphs in one HTML page.',
    positionals: { placeholder: 'SCENARIO', help: 'its name', minimum: 1 },
    options: {
      variant: text({ placeholder: 'NAME', help: 'a variant, such as CACHE_L1=off (tuned)' }),
      duration: duration('length of the CPU profile; allocations take half of it (8s)'),
      out: text({ placeholder: 'FILE', help: 'HTML file (bench/results/<time>-profile.html)' }),
      ...DATASET,
    },
    details: 'Beside the page it writes the .cpuprofile, which the DevTools of a browser and editors open.',
    async run({ users, products, orders, duration: durationMs = 8000, ...values }, [scenario = '', ...more]) {
      if (more.length > 0) throw new UsageError('bench profile takes one scenario')
      const module = await import('./profile.ts')
      const dataset = { users, products, orders }
      return unlessInterrupted(signal, () =>
        module.profile({ ...values, scenario, durationMs, dataset }, signal),
      )
    },
  })
}

function overload(signal: AbortSignal): Command {
  return action({
    summary:
      'Raise the rate to three times that of saturation, with callers that give up: goodput and latency with and without the limit.',
    positionals: { placeholder: '[CALL…]', help: 'read, write, report; all of them without any' },
    options: {
      'phase-ms': integer({ help: 'duration of each rate', minimum: 1000, fallback: 5000 }),
      from: texts({ placeholder: 'FILE', help: 'show these results instead of measuring; may be repeated' }),
      chart: text({ placeholder: 'FILE', help: 'also write the curves as SVG' }),
      ...OUT,
      ...DATASET,
    },
    details:
      'Exit code 1 when a goal is missed: goodput of 80 % of the peak, p99 below four times the normal one, normal again within 2 s.',
    async run({ users, products, orders, 'phase-ms': phaseMs, ...values }, calls) {
      const module = await import('./overload.ts')
      const dataset = { users, products, orders }
      return unlessInterrupted(signal, () => module.overload({ ...values, phaseMs, dataset }, calls, signal))
    },
  })
}

function factorsOf(given: readonly string[] | undefined): readonly number[] {
  if (given === undefined || given.length === 0) return [10, 100]
  return given.map((text) => {
    if (!/^[1-9]\d{0,3}$/.test(text) || text === '1')
      throw new UsageError(`--times takes a whole number above 1, got '${text}'`)
    return Number(text)
  })
}

function tools(signal: AbortSignal): Record<string, Command> {
  return {
    infra: action({
      summary: 'Run pgbench and redis-benchmark against the stack.',
      async run() {
        const { infra } = await import('./infra.ts')
        return unlessInterrupted(signal, () => infra(signal))
      },
    }),
    list: action({
      summary: 'List scenarios, variants and switches.',
      async run() {
        const { renderList } = await import('./list.ts')
        const { whyNoContainers } = await import('../stack/docker.ts')
        const { scenarios } = await import('../../scenarios/index.ts')
        process.stdout.write(renderList(scenarios, whyNoContainers()))
        return EXIT_CODES.OK
      },
    }),
    validate: action({
      summary:
        'Check files of results against their schema, bench/results.schema.json or duet-results.schema.json.',
      positionals: { placeholder: 'FILE…', help: 'JSON files of results', minimum: 1 },
      async run(_, files) {
        const { validateResults } = await import('../report/results-file.ts')
        for (const file of files) {
          validateResults(file)
          process.stdout.write(`${file} matches the schema\n`)
        }
        return EXIT_CODES.OK
      },
    }),
  }
}

/** After Ctrl-C an error is a consequence of the interruption and is not reported. */
async function unlessInterrupted(signal: AbortSignal, run: () => Promise<number>): Promise<number> {
  try {
    const code = await run()
    return signal.aborted ? INTERRUPTED : code
  } catch (error) {
    if (signal.aborted) return INTERRUPTED
    throw error
  }
}
