import { parseArgs } from 'node:util'
import { deploy } from './deploy.ts'
import { failover } from './failover.ts'
import { EXIT_USAGE, Failure } from './failure.ts'
import { isTag } from './images.ts'
import { type Lock, locked } from './lock.ts'
import { openProduction, type Production } from './production.ts'
import { scale } from './scale.ts'
import { status } from './status.ts'
import { addToken, isScope, isTokenName } from './token.ts'
import { down, up } from './up.ts'

const HELP = `pnpm prod <command> - production on one machine, from docker-compose.prod.yml

  up [--seed] [--no-build]      makes secrets and images, starts everything, waits for health
  down [--volumes]              stops and removes it; --volumes: its data too
  status                        containers, readiness, replication, Redis
  logs [SERVICE …] [--follow]   their logs
  scale <n>                     replicas of both APIs
  deploy [--tag TAG]            a new release without a failed request; back to the old one when it is not sound
  failover [--no-rejoin]        the Postgres replica becomes the primary; --accept-loss: although it is not up to date
  token <name> <write|admin>    a token for writes, shown once; a deploy makes it known

COMPOSE_PROJECT_NAME names another production, PROD_STATE the folder of its secrets and state; HTTP_ADDRESS and
HTTP_PORT say where nginx listens (127.0.0.1, 80); OBSERVABILITY=on: Prometheus, Grafana and all exporters too; TRACES=0.05:
traces of that share of requests. docs/OPERATIONS.md has the rest.
Exit code 0, or 1 when it failed, 64 for wrong arguments.
`

const OPTIONS = {
  help: { type: 'boolean', short: 'h' },
  seed: { type: 'boolean' },
  'no-build': { type: 'boolean' },
  volumes: { type: 'boolean' },
  follow: { type: 'boolean', short: 'f' },
  'no-rejoin': { type: 'boolean' },
  'accept-loss': { type: 'boolean' },
  tag: { type: 'string' },
} as const

type Option = Exclude<keyof typeof OPTIONS, 'help'>
type Values = { [name in Option]?: (typeof OPTIONS)[name]['type'] extends 'boolean' ? boolean : string }

interface Command {
  /** Arguments: as many, or any number. */
  takes?: number | 'any'
  options?: readonly Option[]
  /** Held while it runs. */
  locks?: readonly Lock[]
  /** It makes the state; every other command needs one that is there. */
  begins?: true
  /** Refuses wrong arguments before anything is made. */
  check?(values: Values, rest: readonly string[]): void
  run(production: Production, values: Values, rest: readonly string[]): Promise<void> | void
}

const log = (line: string): void => void process.stdout.write(`${line}\n`)

const COMMANDS: Record<string, Command> = {
  up: {
    options: ['seed', 'no-build'],
    locks: ['replicas', 'postgres'],
    begins: true,
    run: (production, { seed = false, 'no-build': keep = false }) =>
      up(production, { seed, build: !keep, log }),
  },
  down: {
    options: ['volumes'],
    locks: ['replicas', 'postgres'],
    run: (production, { volumes = false }) => down(production, { volumes }),
  },
  status: { run: async (production) => log(await status(production)) },
  logs: {
    takes: 'any',
    options: ['follow'],
    async run(production, { follow }, services) {
      await production.compose(['logs', ...(follow ? ['--follow'] : []), ...services], { show: true })
    },
  },
  scale: {
    takes: 1,
    locks: ['replicas'],
    check: (_, [count]) => void replicasOf(count),
    run: (production, _, [count]) => scale(production, replicasOf(count), log),
  },
  deploy: {
    options: ['tag'],
    locks: ['replicas'],
    check({ tag }) {
      if (tag !== undefined && !isTag(tag)) throw usage(`not a tag of an image: ${tag}`)
    },
    run: (production, { tag }) =>
      deploy(production, { log, signal: interruption(), ...(tag !== undefined && { tag }) }),
  },
  failover: {
    options: ['no-rejoin', 'accept-loss'],
    locks: ['postgres'],
    run: (production, { 'no-rejoin': alone = false, 'accept-loss': acceptLoss = false }) =>
      failover(production, { rejoin: !alone, acceptLoss, log }),
  },
  token: {
    takes: 2,
    begins: true,
    check(_, [name = '', scope = '']) {
      if (!isTokenName(name)) throw usage(`not a name (1 to 64 letters, digits, ".", "_" and "-"): ${name}`)
      if (!isScope(scope)) throw usage(`the scope is write or admin, not ${scope}`)
    },
    run: (production, _, [name = '', scope = '']) => log(addToken(production, name, scope)),
  },
}

process.exitCode = await main(process.argv.slice(2))

async function main(argv: string[]): Promise<number> {
  try {
    const { values, positionals } = read(argv)
    const [name, ...rest] = positionals
    if (name === undefined || values.help) {
      process.stdout.write(HELP)
      return values.help ? 0 : EXIT_USAGE
    }
    const command = commandOf(name, values, rest)
    command.check?.(values, rest)
    const production = openProduction()
    if (!command.begins && !production.state.exists())
      throw new Failure(`there is no production in ${production.state.folder}: pnpm prod up makes one`)
    if (command.begins) production.state.create()
    await locked(production.state.folder, command.locks ?? [], name, async () =>
      command.run(production, values, rest),
    )
    return 0
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`)
    return error instanceof Failure ? error.exitCode : 1
  }
}

function read(argv: string[]) {
  try {
    return parseArgs({
      args: argv.filter((argument) => argument !== '--'),
      allowPositionals: true,
      options: OPTIONS,
    })
  } catch (error) {
    throw usage(error instanceof Error ? error.message : String(error))
  }
}

function commandOf(name: string, values: object, rest: readonly string[]): Command {
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (command === undefined) throw usage(`no command ${name}`)
  const { takes = 0, options = [] } = command
  const unknown = Object.keys(values).find((option) => !options.includes(option as Option))
  if (unknown !== undefined) throw usage(`${name} has no option --${unknown}`)
  if (takes !== 'any' && rest.length !== takes)
    throw usage(`${name} takes ${takes === 0 ? 'no argument' : `${takes} argument${takes > 1 ? 's' : ''}`}`)
  return command
}

function usage(fault: string): Failure {
  return new Failure(`${fault}\n\n${HELP.trimEnd()}`, EXIT_USAGE)
}

function replicasOf(text = ''): number {
  if (!/^[1-9]\d?$/.test(text)) throw usage(`scale takes a number from 1 to 99, not ${text || 'nothing'}`)
  return Number(text)
}

/** Aborted by Ctrl-C or SIGTERM, which then do not end this process: what it has begun it brings to an end. */
function interruption(): AbortSignal {
  const controller = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => controller.abort())
  return controller.signal
}
