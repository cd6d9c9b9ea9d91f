import { resolve } from 'node:path'
import { prepareDatabase } from '../development-data.ts'
import { startStack } from '../stack.ts'
import { oneOf, onInterrupt, portOf, runCommand, say, UsageError, type Values } from './command.ts'

const help = `pnpm stack [options]

Starts Postgres and Redis alone, prints the lines to export, and runs until Ctrl-C.

  --redis single|cluster|off   (single)
  --redis-port <port>          a free one; for single only
  --postgres-port <port>       a free one
  --data <folder>              keeps Postgres's data there; otherwise it is deleted at the end
  --seed                       migrates and puts in the default rows
`

const options = {
  redis: { type: 'string' },
  'redis-port': { type: 'string' },
  'postgres-port': { type: 'string' },
  data: { type: 'string' },
  seed: { type: 'boolean' },
} as const

const main = async (values: Values): Promise<number> => {
  const redis = oneOf(values, 'redis', ['single', 'cluster', 'off'] as const, 'single')
  const redisPort = portOf(values, 'redis-port')
  const postgresPort = portOf(values, 'postgres-port')
  if (redisPort !== undefined && redis !== 'single')
    throw new UsageError('--redis-port goes with --redis single')
  const interruption = onInterrupt()
  const stack = await startStack({
    postgres: {
      ...(postgresPort === undefined ? {} : { port: postgresPort }),
      ...(typeof values.data === 'string' ? { dataDir: resolve(values.data) } : {}),
    },
    redis: redis === 'off' ? false : redis,
    ...(redisPort === undefined ? {} : { redisPort }),
  }).catch((error: unknown) => {
    interruption.release()
    throw error
  })
  try {
    if (values.seed === true) say(`# ${await prepareDatabase(stack.databaseUrl)}`)
    for (const [name, value] of Object.entries(stack.env)) process.stdout.write(`export ${name}='${value}'\n`)
    say(`# superuser: ${stack.superuserUrl}`)
    say('# Ctrl-C stops them')
    await interruption.signal
    return 0
  } finally {
    await stack.stop()
    interruption.release()
  }
}

await runCommand(help, options, main)
