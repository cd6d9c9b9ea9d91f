// Starts a stack in the given folder, prints its pids, and then does nothing.
import { throwAwaySettings } from '../postgres.ts'
import { startStack } from '../stack.ts'

const { databaseUrl, pids } = await startStack({
  postgres: { settings: throwAwaySettings },
  dir: process.argv[2] ?? '/tmp',
})
process.stdout.write(`${JSON.stringify({ url: databaseUrl, pids: [pids.postgres, ...pids.redis] })}\n`)
setInterval(() => {}, 1 << 30)
