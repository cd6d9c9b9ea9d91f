import { once } from 'node:events'
import postgres from 'postgres'
import { monotonicMs } from './clock.ts'
import { commit, quietKey } from './items.ts'
import { sendToParent } from './messages.ts'

/** A process that commits writes when its parent sends a message, and is killed before it could invalidate their keys. */
const WRITES = 20

const [databaseUrl = ''] = process.argv.slice(2)
const sql = postgres(databaseUrl, { max: 6, onnotice: () => {} })
process.on('disconnect', () => process.exit())
await sql`SELECT 1`
const go = once(process, 'message')
await sendToParent({ kind: 'ready' })
await go

const keys = [...new Set(Array.from({ length: WRITES }, quietKey))]
const writes = await Promise.all(keys.map((key) => commit(sql, key)))
const at = monotonicMs()
for (const { key, version } of writes) {
  await sendToParent({ kind: 'written', write: { key, version, at, delivered: false } })
}
process.kill(process.pid, 'SIGKILL')
