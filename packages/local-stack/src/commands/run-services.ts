import { join } from 'node:path'
import { isatty } from 'node:tty'
import { announceStack, CommandError, flag, getStandardOutput, oneOf, port } from '@reference/cli'
import type { Environment } from '@reference/config'
import { withVaultSecretsOrExit } from '@reference/systems'
import { keptDataDir, MIGRATIONS_FOLDER, migrateDatabase, prepareDatabase } from '../development-data.ts'
import { watchMigrations } from '../migrations-watch.ts'
import { claimRun } from '../running.ts'
import { findFreePair, isHealthy, requirePort, type Service, startService } from '../services.ts'
import { startStack } from '../stack.ts'
import { type Plan, planRun, type RunFlags, withSettings } from './plan.ts'
import { type Interruption, onInterrupt, say } from './terminal.ts'

export const SERVICE_OPTIONS = {
  port: port({ help: 'of reference-api (PORT, else 8000)' }),
  'parallel-port': port({ help: 'of parallel-api (the port above)' }),
  redis: oneOf(['single', 'cluster', 'off'], { help: 'kind of Redis (single)' }),
  'postgres-port': port({ help: 'of Postgres; a free one unless given' }),
  temporary: flag({ help: 'Postgres in a temporary folder, deleted at the end, instead of .local-stack/' }),
}

export const SERVICE_DETAILS = `
Every setting of .env.example can be given in the environment, as NAME or NAME_FILE, or by VAULT_SECRET_PATH:
CACHE_L1=off pnpm dev. It has the same effect on each service, except that services cannot share a port.
With PORT=9000 parallel-api listens on 9001, and with INTERNAL_PORT=9100 on 9101. UPSTREAM_URL follows PORT unless it is set.

With DATABASE_URL set, the services use that server as it is (migrate before: pnpm db:migrate), with REDIS_URL or
REDIS_CLUSTER_NODES if set, else without cache tier 2. Without it, the command starts, migrates and seeds a Postgres, and
starts a Redis unless one of these two is set. pnpm dev also applies each migration that is added while it runs.

On a terminal the logs are for people, with equal warnings folded; LOG_FORMAT=json or a pipe gives JSON lines.

Exit code 0 after Ctrl-C, 1 when a service ended or could not start, 64 for a wrong argument, 75 when Vault is unavailable,
78 for a wrong setting.
`

interface Run {
  /** As the user types it. */
  readonly command: 'pnpm dev' | 'pnpm start'
  readonly watch: boolean
  /** From `dist/` instead of the sources. */
  readonly built: boolean
}

interface ServiceFlags {
  readonly port: number | undefined
  readonly 'parallel-port': number | undefined
  readonly redis: RunFlags['redis']
  readonly 'postgres-port': number | undefined
  readonly temporary: boolean
}

/** How long the services of a killed run may take to end: the limit of `guard.sh`. */
const ENDING_MS = 15_000

/** How long the last lines may wait for a reader. */
const FLUSH_MS = 1000

/** Starts the servers, the data and both services. Returns 0 after Ctrl-C, 1 when a service ended by itself. */
export async function runServices(values: ServiceFlags, run: Run): Promise<number> {
  const flags: RunFlags = {
    port: values.port,
    parallelPort: values['parallel-port'],
    redis: values.redis,
    postgresPort: values['postgres-port'],
    temporary: values.temporary,
  }
  const plan = await planRun(flags, await withVaultSecretsOrExit())
  const output = getStandardOutput()
  output.onRecovery((dropped) => say(`${dropped} lines were dropped while the output was not read`))
  const interruption = onInterrupt()
  const opened = new OpenedParts()
  try {
    const servers = await startServers(plan, flags, run, opened)
    const print = (line: string) => output.write(`${line}\n`)
    for (const { name, url, env } of plan.services) {
      const settings = withSettings(env, { ...logSettings(env), ...servers })
      opened.services.push(await startService({ name, url, ...run, print, env: settings }))
    }
    return await supervise(opened.services, interruption, run, () => print(welcome(plan, servers)))
  } finally {
    await opened.close()
    await output.flush(FLUSH_MS)
    interruption.release()
  }
}

/** On a terminal the services log for people: their own output is a pipe to this process. */
function logSettings({
  LOG_FORMAT,
  LOG_FORMAT_FILE,
  NODE_ENV,
  NO_COLOR,
}: Environment): Record<string, string> {
  if (LOG_FORMAT || LOG_FORMAT_FILE || NODE_ENV === 'production' || !isatty(1)) return {}
  return { LOG_FORMAT: 'pretty', ...(!NO_COLOR && { FORCE_COLOR: '1' }) }
}

/** What a run has opened, closed in the reverse order. */
class OpenedParts {
  readonly services: Service[] = []
  readonly servers: (() => Promise<void>)[] = []
  readonly watches: (() => Promise<void>)[] = []
  readonly claims: (() => Promise<void>)[] = []

  async close(): Promise<void> {
    if (this.services.length > 0 || this.servers.length > 0) say('stopping …')
    await Promise.all(this.watches.map((close) => close()))
    await Promise.all(this.services.map(({ stop }) => stop()))
    await Promise.all(this.servers.map((stop) => stop()))
    await Promise.all(this.claims.map((release) => release()))
  }
}

/** Waits until the services answer, and then until one ends or Ctrl-C. */
async function supervise(
  services: readonly Service[],
  { signal }: Interruption,
  { watch }: Run,
  onHealthy: () => void,
): Promise<number> {
  const healthy = await Promise.race([signal, Promise.all(services.map(isHealthy))])
  if (typeof healthy === 'string') return 0
  const unhealthy = services.filter((_, index) => healthy[index] !== true).map(({ name }) => name)
  if (unhealthy.length === 0) onHealthy()
  else if (watch) say(`${unhealthy.join(' and ')} did not start; waiting for a change`)
  else throw new CommandError(`${unhealthy.join(' and ')} did not start; the output is above`)
  const ended = services.map(async ({ name, exited }) => ({ name, code: await exited }))
  const first = await Promise.race([signal, ...ended])
  if (typeof first === 'string') return 0
  say(`${first.name} ended (${first.code})`)
  return 1
}

/** Claims the clone, waits for the ports, and starts the servers that the settings do not name. Returns their settings. */
async function startServers(
  plan: Plan,
  flags: RunFlags,
  run: Run,
  opened: OpenedParts,
): Promise<Record<string, string>> {
  const dataDir = plan.ownPostgres && flags.temporary !== true ? keptDataDir() : undefined
  const claim = dataDir === undefined ? undefined : await claimClone(dataDir, plan, run)
  if (claim !== undefined) opened.claims.push(claim.release)
  const waitMs = claim?.afterCrash ? ENDING_MS : 0
  for (const service of plan.services) await requirePort(service, waitMs, () => otherPorts(service, run))
  if (!plan.ownPostgres) {
    say('DATABASE_URL is set: no server is started, nothing is migrated or seeded')
    return {}
  }
  if (dataDir === undefined) say('Postgres is in a temporary folder: nothing is kept after this run')
  say(plan.ownRedis === false ? 'starting Postgres …' : 'starting Postgres and Redis …')
  const stack = await startStack({
    postgres: {
      ...(dataDir !== undefined && { dataDir }),
      ...(flags.postgresPort !== undefined && { port: flags.postgresPort }),
    },
    redis: plan.ownRedis,
  })
  opened.servers.push(stack.stop)
  const roles = { apiUrl: stack.apiUrl }
  const seeded = await prepareDatabase(stack.databaseUrl, undefined, { ...roles, onMigrated: sayMigrated })
  say(`seeded: ${seeded}`)
  if (run.watch) {
    const watching = watchMigrations({
      folder: MIGRATIONS_FOLDER,
      migrate: async () => sayMigrated(await migrateDatabase(stack.databaseUrl, roles)),
      onFailure: (error) => say(`not migrated: ${(error as Error).message}`),
    })
    opened.watches.push(watching.close)
  }
  const settings = { ...stack.env, DATABASE_URL: stack.apiUrl, DATABASE_OWNER_URL: stack.databaseUrl }
  opened.claims.push(await announceStack({ command: run.command, settings }))
  return settings
}

/** Reports each migration that was applied, by name. */
function sayMigrated(lines: string): void {
  for (const line of lines.split('\n')) say(`migrations: ${line}`)
}

/** A clone has one Postgres, which one run at a time uses. */
function claimClone(dataDir: string, plan: Plan, { command }: Run) {
  const services = plan.services.map(({ name, url }) => `${name} on ${url}`).join(', ')
  return claimRun(join(dataDir, '..', 'run.json'), { command, services })
}

async function otherPorts({ name, host, port }: Plan['services'][number], { command }: Run): Promise<string> {
  const free = await findFreePair(host, name === 'parallel-api' ? port - 1 : port)
  if (free === undefined) return `To choose others, type: ${command} --port <port>`
  return `To choose others, type: ${command} --port ${free}   (parallel-api then gets ${free + 1})`
}

function welcome({ services }: Plan, servers: Record<string, string>): string {
  const [reference = '', parallel = ''] = services.map(({ url }) => url)
  const started = Object.entries(servers).map(([name, value]) => `  ${name}=${value}`)
  const settings: Record<string, string | undefined> = { ...services[0]?.env, ...servers }
  const hasTier2 = ['REDIS_URL', 'REDIS_CLUSTER_NODES'].some(
    (name) => settings[name] || settings[`${name}_FILE`],
  )
  return `
${services.map(({ name, url }) => `  ${name.padEnd(14)} ${url}   docs: ${url}/docs`).join('\n')}
${started.length === 0 ? '' : `\n${started.join('\n')}\n`}
To try:
  curl -i ${reference}/users/42        # ${hasTier2 ? 'three times: x-cache is miss, l2, then l1' : 'twice: x-cache is miss, then l1'}
  curl '${reference}/orders?limit=5'
  curl -X POST ${reference}/process-data -H 'content-type: application/json' -d '{"hello":"world"}'
  curl '${parallel}/all?limit=2'
  curl ${parallel}/report

Ctrl-C stops all of it.
`
}
