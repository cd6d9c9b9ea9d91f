import {
  type Action,
  action,
  CommandError,
  flag,
  integer,
  parseInteger,
  runCommand,
  text,
  UsageError,
} from '@reference/cli'
import { backup, describeBackup } from './backup.ts'
import { deploy } from './deploy.ts'
import { failover } from './failover.ts'
import { isTag } from './images.ts'
import { type Lock, locked } from './lock.ts'
import { openProduction, type Production } from './production.ts'
import { restore } from './restore.ts'
import { scale } from './scale.ts'
import { status } from './status.ts'
import { addToken, isScope, isTokenName } from './token.ts'
import { down, up } from './up.ts'

const DETAILS = `
COMPOSE_PROJECT_NAME names another production, PROD_STATE the folder of its secrets and state. nginx listens on HTTP_ADDRESS
and HTTP_PORT (127.0.0.1, 80). OBSERVABILITY=on also starts Prometheus, Grafana and all exporters.
TRACES=0.05 sends traces of that share of requests. See docs/OPERATIONS.md.
Exit code 0, 1 when the command failed, 64 for wrong arguments.
`

await runCommand('pnpm prod', {
  summary: 'Run production on one machine, from docker-compose.prod.yml.',
  details: DETAILS,
  commands: {
    up: action({
      summary: 'Create secrets and images, start everything, wait for health.',
      options: {
        seed: flag({ help: 'fill an empty database' }),
        'no-build': flag({ help: 'use existing images' }),
      },
      run: ({ seed, 'no-build': keep }) =>
        onProduction(
          'up',
          ['replicas', 'postgres'],
          (production) => up(production, { seed, build: !keep, log }),
          {
            create: true,
          },
        ),
    }),
    down: action({
      summary: 'Stop and remove all containers.',
      options: { volumes: flag({ help: 'also remove the data' }) },
      run: ({ volumes }) =>
        onProduction('down', ['replicas', 'postgres'], (production) => down(production, { volumes })),
    }),
    status: action({
      summary: 'Show containers, readiness, replication and Redis.',
      run: () => onProduction('status', [], async (production) => log(await status(production))),
    }),
    logs: action({
      summary: 'Print the logs of all services, or of some.',
      positionals: { placeholder: 'SERVICE…', help: 'names from docker-compose.prod.yml' },
      options: { follow: flag({ short: 'f', help: 'go on until Ctrl-C' }) },
      run: ({ follow }, services) =>
        onProduction('logs', [], async (production) => {
          await production.compose(['logs', ...(follow ? ['--follow'] : []), ...services], { show: true })
        }),
    }),
    scale: action({
      summary: 'Set the number of replicas of both APIs.',
      positionals: { placeholder: 'N', help: '1 to 99', minimum: 1, maximum: 1 },
      run(_, [count = '']) {
        const replicas = parseInteger(count, 'scale', { minimum: 1, maximum: 99 })
        return onProduction('scale', ['replicas'], (production) => scale(production, replicas, log))
      },
    }),
    deploy: action({
      summary: 'Replace every replica without a failed request; roll back when the release is not healthy.',
      options: {
        tag: text({
          placeholder: 'TAG',
          help: 'tag of existing images; without it images are built from the sources',
        }),
      },
      run({ tag }) {
        if (tag !== undefined && !isTag(tag)) throw new UsageError(`'${tag}' is not an image tag`)
        return onProduction('deploy', ['replicas'], (production) =>
          deploy(production, { log, signal: interruption(), ...(tag !== undefined && { tag }) }),
        )
      },
    }),
    failover: action({
      summary: 'Promote the Postgres replica to primary.',
      options: {
        'no-rejoin': flag({ help: 'do not make the old primary a replica' }),
        'accept-loss': flag({ help: 'promote even if the replica lacks commits' }),
      },
      run: ({ 'no-rejoin': alone, 'accept-loss': acceptLoss }) =>
        onProduction('failover', ['postgres'], (production) =>
          failover(production, { rejoin: !alone, acceptLoss, log }),
        ),
    }),
    backup: action({
      summary: 'Take a base backup now, and list all; the WAL between them is stored all the time.',
      run: () =>
        onProduction('backup', ['postgres'], async (production) => {
          for (const each of await backup(production)) log(describeBackup(each))
        }),
    }),
    restore: action({
      summary: 'Replace the database by the backups, up to a moment.',
      details: 'The APIs are stopped meanwhile. The former data is kept beside the new one.',
      options: {
        to: text({
          placeholder: 'TIME',
          help: 'such as 2026-11-29T10:15:00Z; the end of the WAL unless given',
        }),
        timeline: integer({
          help: 'a former history; the latest unless given',
          minimum: 1,
          maximum: 2 ** 31,
        }),
      },
      run({ to, timeline }) {
        const moment = to === undefined ? undefined : new Date(to)
        if (moment !== undefined && (Number.isNaN(moment.getTime()) || !/(Z|[+-]\d\d:\d\d)$/.test(to ?? '')))
          throw new UsageError(`'${to}' is not a time with an offset, such as 2026-11-29T10:15:00Z`)
        return onProduction('restore', ['replicas', 'postgres'], (production) =>
          restore(production, { to: moment, timeline, log }),
        )
      },
    }),
    token: tokenCommand(),
  },
})

function tokenCommand(): Action {
  return action({
    summary: 'Create a bearer token for writes and print it once; a deploy activates it.',
    positionals: { placeholder: 'NAME write|admin', help: 'its name and its scope', minimum: 2, maximum: 2 },
    run(_, [name = '', scope = '']) {
      if (!isTokenName(name)) {
        throw new UsageError(`'${name}' is not a name: 1 to 64 letters, digits, ".", "_" and "-"`)
      }
      if (!isScope(scope)) throw new UsageError(`The scope is write or admin, not '${scope}'`)
      return onProduction('token', [], (production) => log(addToken(production, name, scope)), {
        create: true,
      })
    },
  })
}

/** Does the work while this process holds the locks. With `create` a missing state folder is created first. */
async function onProduction(
  command: string,
  locks: readonly Lock[],
  work: (production: Production) => Promise<void> | void,
  { create = false } = {},
): Promise<undefined> {
  const production = openProduction()
  if (create) production.state.create()
  if (!production.state.exists()) {
    throw new CommandError(`There is no production in ${production.state.folder}: pnpm prod up creates one`)
  }
  await locked(production.state.folder, locks, command, async () => work(production))
}

function log(line: string): void {
  process.stdout.write(`${line}\n`)
}

/** Aborted by Ctrl-C or SIGTERM, which no longer end the process: a deploy in progress must complete or roll back. */
function interruption(): AbortSignal {
  const controller = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => controller.abort())
  return controller.signal
}
