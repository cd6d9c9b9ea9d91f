import { join } from 'node:path'
import { getStandardOutput } from '@reference/cli'
import { withVaultSecrets } from '@reference/config'
import { keptDataDir, prepareDatabase } from '../development-data.ts'
import { claimRun } from '../running.ts'
import { findFreePair, isHealthy, requirePort, type Service, startService } from '../services.ts'
import { type StackOptions, startStack } from '../stack.ts'
import { oneOf, onInterrupt, portOf, say, type Values } from './command.ts'
import { type Plan, planRun, type RunFlags, withSettings } from './plan.ts'

export const serviceOptions = {
  port: { type: 'string' },
  'parallel-port': { type: 'string' },
  redis: { type: 'string' },
  'postgres-port': { type: 'string' },
  temporary: { type: 'boolean' },
} as const

export const serviceOptionsHelp = `  --port <port>             of reference-api (PORT, else 8000)
  --parallel-port <port>    of parallel-api (the one above that of reference-api)
  --redis single|cluster|off   (single)
  --postgres-port <port>    a free one
  --temporary               Postgres in a temporary folder, deleted at the end, instead of .local-stack/

Every setting of .env.example can be given in the environment, as NAME, as NAME_FILE or by VAULT_SECRET_PATH:
CACHE_L1=off pnpm dev. It has the same effect on both services, except that they cannot share a port: with PORT=9000
parallel-api listens on 9001, and with INTERNAL_PORT=9100 on 9101. UPSTREAM_URL follows PORT unless it is set.

Where DATABASE_URL is set both services use that server as it is (run pnpm db:migrate before), with REDIS_URL or
REDIS_CLUSTER_NODES if set, else without cache tier 2. Where it is not set, a Postgres and, without those two, a Redis
are started, migrated and seeded.

Exit code 0 after Ctrl-C, 1 when a service ended or could not start, 64 for a wrong argument, 75 when Vault is
unavailable, 78 for a wrong setting.
`

interface Run {
  /** As it is typed. */
  command: 'pnpm dev' | 'pnpm start'
  watch: boolean
}

/** How long the services of a run that was killed may take to end: the limit of `guard.sh`. */
const ENDING_MS = 15_000

/** How long the last lines may wait for a reader. */
const FLUSH_MS = 1000

/** Servers, data, both services; returns the exit code after Ctrl-C (0) or after a service ended by itself (1). */
export const runServices = async (values: Values, run: Run): Promise<number> => {
  const flags = flagsOf(values)
  const environment = await withVaultSecrets(process.env, (keys) =>
    say(`in Vault, but no settings, so not used: ${keys.join(', ')}`),
  )
  const plan = await planRun(flags, environment)
  const output = getStandardOutput()
  output.onRecovery((dropped) => say(`${dropped} lines were dropped while the output was not read`))
  const print = (line: string) => output.write(`${line}\n`)
  const interruption = onInterrupt()
  const closers: (() => Promise<void>)[] = []
  const services: Service[] = []
  try {
    const dataDir = plan.ownPostgres && flags.temporary !== true ? keptDataDir() : undefined
    const claim = dataDir === undefined ? undefined : await claimClone(dataDir, plan, run)
    if (claim !== undefined) closers.push(claim.release)
    const waitMs = claim?.afterCrash ? ENDING_MS : 0
    for (const service of plan.services) await requirePort(service, waitMs, () => otherPorts(service, run))
    const servers = plan.ownPostgres ? await startServers(plan, flags, dataDir, closers) : {}
    if (!plan.ownPostgres) say('DATABASE_URL is set: no server is started, nothing is migrated or seeded')
    for (const { name, url, env } of plan.services) {
      services.push(
        await startService({ name, url, watch: run.watch, print, env: withSettings(env, servers) }),
      )
    }
    const early = await Promise.race([interruption.signal, Promise.all(services.map(isHealthy))])
    if (typeof early === 'string') return 0
    const sick = services.filter((_, index) => early[index] !== true).map(({ name }) => name)
    if (sick.length > 0 && !run.watch)
      throw new Error(`${sick.join(' and ')} did not come up; its output is above`)
    if (sick.length > 0) say(`${sick.join(' and ')} did not come up; waiting for a change`)
    else print(welcome(plan, servers))
    const ended = services.map(async ({ name, exited }) => ({ name, code: await exited }))
    const first = await Promise.race([interruption.signal, ...ended])
    if (typeof first === 'string') return 0
    say(`${first.name} ended (${first.code})`)
    return 1
  } finally {
    if (services.length > 0 || closers.length > 1) say('stopping …')
    await Promise.all(services.map(({ stop }) => stop()))
    await Promise.all(closers.reverse().map((close) => close()))
    await output.flush(FLUSH_MS)
    interruption.release()
  }
}

const flagsOf = (values: Values): RunFlags => ({
  port: portOf(values, 'port'),
  parallelPort: portOf(values, 'parallel-port'),
  redis:
    values.redis === undefined
      ? undefined
      : oneOf(values, 'redis', ['single', 'cluster', 'off'] as const, 'single'),
  postgresPort: portOf(values, 'postgres-port'),
  temporary: values.temporary === true,
})

/** The Postgres of a clone is one, so one run at a time uses it. */
const claimClone = (dataDir: string, plan: Plan, { command }: Run) => {
  const services = plan.services.map(({ name, url }) => `${name} on ${url}`).join(', ')
  return claimRun(join(dataDir, '..', 'run.json'), { command, services })
}

const otherPorts = async (
  { name, host, port }: Plan['services'][number],
  { command }: Run,
): Promise<string> => {
  const free = await findFreePair(host, name === 'parallel-api' ? port - 1 : port)
  if (free === undefined) return `To choose others, type: ${command} --port <port>`
  return `To choose others, type: ${command} --port ${free}   (parallel-api then gets ${free + 1})`
}

const startServers = async (
  { ownRedis }: Plan,
  { postgresPort }: RunFlags,
  dataDir: string | undefined,
  closers: (() => Promise<void>)[],
): Promise<Record<string, string>> => {
  if (dataDir === undefined) say('Postgres is in a temporary folder: nothing is kept after this run')
  const options: StackOptions = {
    postgres: {
      ...(dataDir === undefined ? {} : { dataDir }),
      ...(postgresPort === undefined ? {} : { port: postgresPort }),
    },
    redis: ownRedis,
  }
  say(ownRedis === false ? 'starting Postgres …' : 'starting Postgres and Redis …')
  const stack = await startStack(options)
  closers.push(stack.stop)
  say(`migrated and seeded: ${await prepareDatabase(stack.databaseUrl)}`)
  return stack.env
}

const welcome = ({ services }: Plan, servers: Record<string, string>): string => {
  const [reference = '', parallel = ''] = services.map(({ url }) => url)
  const started = Object.entries(servers).map(([name, value]) => `  ${name}=${value}`)
  return `
  reference-api  ${reference}   docs: ${reference}/docs
  parallel-api   ${parallel}   docs: ${parallel}/docs
${started.length === 0 ? '' : `\n${started.join('\n')}\n`}
To try:
  curl -i ${reference}/users/42        # three times: x-cache is miss, l2, then l1
  curl '${reference}/orders?limit=5'
  curl -X POST ${reference}/process-data -H 'content-type: application/json' -d '{"hello":"world"}'
  curl '${parallel}/all?limit=2'
  curl ${parallel}/report

Ctrl-C stops all of it.
`
}
