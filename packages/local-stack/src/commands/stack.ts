import { resolve } from 'node:path'
import { action, announceStack, flag, oneOf, port, runCommand, text, UsageError } from '@reference/cli'
import { prepareDatabase } from '../development-data.ts'
import { type StackOptions, startStack } from '../stack.ts'
import { onInterrupt, say } from './terminal.ts'

const REDIS_KINDS = ['single', 'cluster', 'off'] as const

await runCommand(
  'pnpm stack',
  action({
    summary: 'Start Postgres and Redis alone, print the lines to export, and run until Ctrl-C.',
    options: {
      redis: oneOf(REDIS_KINDS, { help: 'kind of Redis', fallback: 'single' }),
      'redis-port': port({ help: 'of a single Redis; a free one unless given' }),
      'postgres-port': port({ help: 'of Postgres; a free one unless given' }),
      data: text({
        help: 'keep the data of Postgres there; deleted at the end unless given',
        placeholder: 'FOLDER',
      }),
      seed: flag({ help: 'migrate, and insert the default rows' }),
    },
    run({ redis, 'redis-port': redisPort, 'postgres-port': postgresPort, data, seed }) {
      if (redisPort !== undefined && redis !== 'single') {
        throw new UsageError('--redis-port needs --redis single')
      }
      const options: StackOptions = {
        postgres: {
          ...(postgresPort !== undefined && { port: postgresPort }),
          ...(data !== undefined && { dataDir: resolve(data) }),
        },
        redis: redis === 'off' ? false : redis,
        ...(redisPort !== undefined && { redisPort }),
      }
      return runStack(options, seed)
    },
  }),
)

async function runStack(options: StackOptions, seed: boolean): Promise<number> {
  const interruption = onInterrupt()
  const stack = await startStack(options).catch((error: unknown) => {
    interruption.release()
    throw error
  })
  const { databaseUrl, apiUrl } = stack
  const settings = { ...stack.env, DATABASE_URL: apiUrl, DATABASE_OWNER_URL: databaseUrl }
  const endAnnouncement = await announceStack({ command: 'pnpm stack', settings })
  try {
    if (seed) say(`# ${await prepareDatabase(databaseUrl, undefined, { apiUrl })}`)
    for (const [name, value] of Object.entries(stack.env)) process.stdout.write(`export ${name}='${value}'\n`)
    if (seed)
      say(`# a role that may only read and write rows, as that of the services in production: ${apiUrl}`)
    say(`# superuser: ${stack.superuserUrl}`)
    say('# Ctrl-C stops them')
    await interruption.signal
    return 0
  } finally {
    await endAnnouncement()
    await stack.stop()
    interruption.release()
  }
}
