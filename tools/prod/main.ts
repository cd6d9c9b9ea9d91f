import { parseArgs } from 'node:util'
import { deploy } from './deploy.ts'
import { failover } from './failover.ts'
import { EXIT_USAGE, Failure } from './failure.ts'
import { openProduction, type Production } from './production.ts'
import { scale } from './scale.ts'
import { status } from './status.ts'
import { addToken } from './token.ts'
import { down, up } from './up.ts'

const HELP = `pnpm prod <command> - production on one machine, from docker-compose.prod.yml

  up [--seed] [--no-build]      makes secrets and images, starts everything, waits for health
  down [--volumes]              stops and removes it; --volumes: its data too
  status                        containers, readiness, replication, Redis
  logs [SERVICE …] [--follow]   their logs
  scale <n>                     replicas of both APIs
  deploy [--tag TAG]            a new release without a failed request; back to the old one when it is not sound
  failover [--no-rejoin]        the Postgres replica becomes the primary
  token <name> <write|admin>    a token for writes, shown once; a deploy makes it known

COMPOSE_PROJECT_NAME names another production, PROD_STATE the folder of its secrets and state; HTTP_ADDRESS and
HTTP_PORT say where nginx listens (127.0.0.1, 80). docs/OPERATIONS.md has the rest.
Exit code 0, or 1 when it failed, 64 for wrong arguments.
`

process.exitCode = await main(process.argv.slice(2))

async function main(argv: string[]): Promise<number> {
  try {
    const input = read(argv)
    const { command } = input
    if (command === undefined || input.values.help) {
      process.stdout.write(HELP)
      return command === undefined && !input.values.help ? EXIT_USAGE : 0
    }
    await run(openProduction(), command, input)
    return 0
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`)
    return error instanceof Failure ? error.exitCode : 1
  }
}

type Input = ReturnType<typeof read>

async function run(production: Production, command: string, { values, rest }: Input): Promise<void> {
  const log = (line: string): void => void process.stdout.write(`${line}\n`)
  switch (command) {
    case 'up':
      return up(production, { seed: values.seed, build: !values['no-build'] })
    case 'down':
      return down(production, { volumes: values.volumes })
    case 'status':
      return log(await status(production))
    case 'logs':
      await production.compose(['logs', ...(values.follow ? ['--follow'] : []), ...rest], { show: true })
      return
    case 'scale':
      return scale(production, replicasOf(rest[0]))
    case 'deploy':
      return deploy(production, { log, ...(values.tag !== undefined && { tag: values.tag }) })
    case 'failover':
      return failover(production, { rejoin: !values['no-rejoin'], log })
    case 'token':
      return log(addToken(production, rest[0] ?? '', rest[1] ?? ''))
    default:
      throw new Failure(`no command ${command}\n\n${HELP}`, EXIT_USAGE)
  }
}

function replicasOf(text: string | undefined): number {
  if (text === undefined || !/^[1-9]\d?$/.test(text))
    throw new Failure('scale takes a number from 1 to 99', EXIT_USAGE)
  return Number(text)
}

function read(argv: string[]) {
  try {
    const { values, positionals } = parseArgs({
      args: argv,
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h', default: false },
        seed: { type: 'boolean', default: false },
        'no-build': { type: 'boolean', default: false },
        volumes: { type: 'boolean', default: false },
        follow: { type: 'boolean', short: 'f', default: false },
        'no-rejoin': { type: 'boolean', default: false },
        tag: { type: 'string' },
      },
    })
    const [command, ...rest] = positionals
    return { command, rest, values }
  } catch (error) {
    throw new Failure(`${error instanceof Error ? error.message : error}\n\n${HELP}`, EXIT_USAGE)
  }
}
