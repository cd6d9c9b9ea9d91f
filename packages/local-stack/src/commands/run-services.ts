import { keptDataDir, prepareDatabase } from '../development-data.ts'
import { isHealthy, type Service, type ServiceName, startService } from '../services.ts'
import { type StackOptions, startStack } from '../stack.ts'
import { oneOf, onInterrupt, portOf, say, type Values } from './command.ts'

export const serviceOptions = {
  port: { type: 'string' },
  'parallel-port': { type: 'string' },
  redis: { type: 'string' },
  'postgres-port': { type: 'string' },
  temporary: { type: 'boolean' },
} as const

export const serviceOptionsHelp = `  --port <port>             of reference-api (8000)
  --parallel-port <port>    of parallel-api (8001)
  --redis single|cluster|off   (single)
  --postgres-port <port>    a free one
  --temporary               Postgres in a temporary folder, deleted at the end, instead of .local-stack/

Every setting of .env.example can be given in the environment: CACHE_L1=off pnpm dev
`

type Run = {
  watch: boolean
  /** Given servers instead of a stack: nothing is migrated or seeded there. */
  given?: { databaseUrl?: string | undefined; redisGiven?: boolean }
}

/** Servers, data, both services; returns the exit code after Ctrl-C (0) or after a service ended by itself (1). */
export const runServices = async (values: Values, { watch, given = {} }: Run): Promise<number> => {
  const port = portOf(values, 'port') ?? 8000
  const parallelPort = portOf(values, 'parallel-port') ?? 8001
  const redis = oneOf(values, 'redis', ['single', 'cluster', 'off'] as const, 'single')
  const postgresPort = portOf(values, 'postgres-port')
  const interruption = onInterrupt()
  const closers: (() => Promise<void>)[] = []
  const services: Service[] = []
  const print = (line: string) => process.stdout.write(`${line}\n`)
  try {
    const env: Record<string, string> = {}
    if (given.databaseUrl === undefined) {
      const dataDir = values.temporary === true ? undefined : keptDataDir()
      if (dataDir === undefined) say('Postgres is in a temporary folder: nothing is kept after this run')
      const options: StackOptions = {
        postgres: {
          ...(dataDir === undefined ? {} : { dataDir }),
          ...(postgresPort === undefined ? {} : { port: postgresPort }),
        },
        redis: redis === 'off' || given.redisGiven === true ? false : redis,
      }
      say('starting Postgres and Redis …')
      const stack = await startStack(options)
      closers.push(stack.stop)
      say(`migrated and seeded: ${await prepareDatabase(stack.databaseUrl)}`)
      Object.assign(env, stack.env)
    }
    const start = async (name: ServiceName, port: number, more: Record<string, string>) => {
      const service = await startService({ name, port, watch, print, env: { ...env, ...more } })
      services.push(service)
      return service
    }
    await start('reference-api', port, {})
    await start('parallel-api', parallelPort, { UPSTREAM_URL: `http://127.0.0.1:${port}` })
    const early = await Promise.race([interruption.signal, Promise.all(services.map(isHealthy))])
    if (typeof early === 'string') return 0
    const sick = services.filter((_, index) => early[index] !== true).map(({ name }) => name)
    if (sick.length > 0 && !watch)
      throw new Error(`${sick.join(' and ')} did not come up; its output is above`)
    if (sick.length > 0) say(`${sick.join(' and ')} did not come up; waiting for a change`)
    else print(welcome(port, parallelPort, env))
    const ended = services.map(async ({ name, exited }) => ({ name, code: await exited }))
    const first = await Promise.race([interruption.signal, ...ended])
    if (typeof first === 'string') return 0
    say(`${first.name} ended (${first.code})`)
    return 1
  } finally {
    say('stopping …')
    await Promise.all(services.map(({ stop }) => stop()))
    await Promise.all(closers.map((close) => close()))
    interruption.release()
  }
}

const welcome = (port: number, parallelPort: number, env: Record<string, string>): string => {
  const reference = `http://127.0.0.1:${port}`
  const parallel = `http://127.0.0.1:${parallelPort}`
  const servers = Object.entries(env).map(([name, value]) => `  ${name}=${value}`)
  return `
  reference-api  ${reference}   docs: ${reference}/docs
  parallel-api   ${parallel}   docs: ${parallel}/docs
${servers.length === 0 ? '' : `\n${servers.join('\n')}\n`}
To try:
  curl -i ${reference}/users/42        # three times: x-cache is miss, l2, then l1
  curl '${reference}/orders?limit=5'
  curl -X POST ${reference}/process-data -H 'content-type: application/json' -d '{"hello":"world"}'
  curl '${parallel}/all?limit=2'
  curl ${parallel}/report

Ctrl-C stops all of it.
`
}
