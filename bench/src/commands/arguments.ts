import { parseArgs } from 'node:util'
import { UsageError } from '../errors.ts'

export const help = `Measures what each tuning is worth on this machine, on its own Postgres and Redis.

  pnpm bench                     the default set, in under three minutes
  pnpm bench <scenario…>         these scenarios, with all their variants
  pnpm bench --full              every scenario and every switch, longer rounds
  pnpm bench --off <SWITCH>      one switch at its untuned value, where it matters (may be repeated)
  pnpm bench list                scenarios, variants and switches
  pnpm bench baseline            every configured system: response time against its threshold
  pnpm bench infra               pgbench and redis-benchmark against the stack
  pnpm bench tune                finds settings for this machine: change one, measure, keep or roll back
  pnpm bench aa [scenario…]      every set-up of the default set against itself: how often is a difference seen where there is none?
  pnpm bench validate <file…>    whether results fit bench/results.schema.json (every run checks its own before it writes them)

Options
  --budget <time>     how long it may take in all, such as 90s or 10m (default 165s; --full 30m)
  --rounds <n>        exactly n rounds, whatever the budget
  --compare <file>    afterwards compare with older results; exit 1 on a significant loss beyond the margin
  --margin <percent>  for --compare (default 5)
  --url <url>         load a running deployment, nothing is started; its settings are not known, so nothing is compared
  --chart <file>      also write the ablation chart as an SVG file
  --out <file>        where the JSON goes (default bench/results/<time>.json; the report is written beside it, and as report.html)
  --users --products --orders <n>   rows (default 10000, 1000, 50000)
  --allow-noise       count boots even when other programs were busy
  --help

tune
  --service <name>    reference-api (default) or parallel-api
  --goal <goal>       throughput (default) or p99
  --rate <n>          requests a second for --goal p99 (default: half of what the untouched service can do)
  --from <start>      shipped (default) or naive: the settings to begin with
  --settings <file>   where the settings go, as an env file (default bench/results/<time>.env)

aa
  --record <file>     keep the figures of each pair of boots, as bench/testing/recorded-a-a.json has them
  --budget <time>     default 8m; exit 1 when more than 1 in 20 comparisons sees a difference

baseline
  --url <url>         a running service (default: a reference-api is started)

Exit codes: 0 done, 1 a loss, or something was refused, 64 wrong arguments, 130 interrupted (what there was is written).
`

const commands = ['list', 'baseline', 'infra', 'tune', 'aa', 'validate'] as const
export type Command = 'run' | (typeof commands)[number]

export interface Arguments {
  readonly command: Command
  readonly help: boolean
  readonly scenarios: readonly string[]
  readonly full: boolean
  readonly off: readonly string[]
  readonly budgetMs: number | undefined
  readonly rounds: number | undefined
  readonly compare: string | undefined
  /** Share, 0.05 for 5 %. */
  readonly margin: number
  readonly url: string | undefined
  readonly chart: string | undefined
  readonly out: string | undefined
  readonly world: { readonly users: number; readonly products: number; readonly orders: number }
  readonly allowNoise: boolean
  readonly service: 'reference-api' | 'parallel-api'
  readonly goal: 'throughput' | 'p99'
  readonly rate: number | undefined
  readonly from: 'shipped' | 'naive'
  readonly envFile: string | undefined
  readonly record: string | undefined
  /** For `validate`. */
  readonly files: readonly string[]
}

/** @throws UsageError that names what is wrong */
export function readArguments(argv: readonly string[]): Arguments {
  const { values, positionals } = parse(argv)
  const [first, ...rest] = positionals
  const command = isCommand(first) ? first : 'run'
  const scenarios = command === 'run' ? positionals : command === 'aa' ? rest : []
  const files = command === 'validate' ? rest : []
  const left = scenarios.length + files.length === 0 && command !== 'run' ? rest[0] : undefined
  if (left !== undefined) throw new UsageError(`${command} takes no ${left}`)
  if (command === 'validate' && files.length === 0) throw new UsageError('validate needs a file')
  if (values.record !== undefined && command !== 'aa')
    throw new UsageError('--record is an option of bench aa')
  if (values.url !== undefined && !['http:', 'https:'].includes(URL.parse(values.url)?.protocol ?? '')) {
    throw new UsageError(`--url needs an http or https URL, got ${values.url}`)
  }
  return {
    command,
    help: values.help ?? false,
    scenarios,
    full: values.full ?? false,
    off: values.off ?? [],
    budgetMs: values.budget === undefined ? undefined : readTime('--budget', values.budget),
    rounds: values.rounds === undefined ? undefined : readCount('--rounds', values.rounds),
    compare: values.compare,
    margin: readPercent('--margin', values.margin ?? '5'),
    url: values.url?.replace(/\/+$/, ''),
    chart: values.chart,
    out: values.out,
    world: {
      users: readCount('--users', values.users ?? '10000'),
      products: readCount('--products', values.products ?? '1000'),
      orders: readCount('--orders', values.orders ?? '50000'),
    },
    allowNoise: values['allow-noise'] ?? false,
    service: readWord('--service', values.service ?? 'reference-api', ['reference-api', 'parallel-api']),
    goal: readWord('--goal', values.goal ?? 'throughput', ['throughput', 'p99']),
    rate: values.rate === undefined ? undefined : readCount('--rate', values.rate),
    from: readWord('--from', values.from ?? 'shipped', ['shipped', 'naive']),
    envFile: values.settings,
    record: values.record,
    files,
  }
}

function parse(argv: readonly string[]) {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean' } as const
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        help: { ...flag, short: 'h' },
        full: flag,
        off: { ...text, multiple: true },
        budget: text,
        rounds: text,
        compare: text,
        margin: text,
        url: text,
        chart: text,
        out: text,
        users: text,
        products: text,
        orders: text,
        'allow-noise': flag,
        service: text,
        goal: text,
        rate: text,
        from: text,
        settings: text,
        record: text,
      },
    })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

function isCommand(word: string | undefined): word is (typeof commands)[number] {
  return commands.some((command) => command === word)
}

/** `90s`, `10m`, `1h`, or a number of seconds → ms */
function readTime(option: string, text: string): number {
  const [, digits, unit = 's'] = /^(\d{1,6}(?:\.\d+)?)(s|m|h)?$/.exec(text) ?? []
  const ms = Number(digits) * { s: 1000, m: 60_000, h: 3_600_000 }[unit as 's' | 'm' | 'h']
  if (!(ms > 0)) throw new UsageError(`${option} needs a time such as 90s or 10m, got ${text}`)
  return ms
}

function readCount(option: string, text: string): number {
  const value = /^\d{1,8}$/.test(text) ? Number(text) : 0
  if (value < 1) throw new UsageError(`${option} needs a whole number above 0, got ${text}`)
  return value
}

function readPercent(option: string, text: string): number {
  const value = /^\d{1,2}(\.\d+)?%?$/.test(text) ? Number(text.replace('%', '')) : Number.NaN
  if (Number.isNaN(value)) throw new UsageError(`${option} needs a percentage below 100, got ${text}`)
  return value / 100
}

function readWord<Word extends string>(option: string, text: string, words: readonly Word[]): Word {
  const word = words.find((candidate) => candidate === text)
  if (word === undefined) throw new UsageError(`${option} is one of ${words.join(', ')}, got ${text}`)
  return word
}
