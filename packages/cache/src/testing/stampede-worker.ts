import { setTimeout as delay } from 'node:timers/promises'
import postgres from 'postgres'
import { createCache } from '../index.ts'

/** One of several processes that all read one cold key at the same moment. Counts its loads in the database. */
const [redisUrl = '', databaseUrl = '', readsText = ''] = process.argv.slice(2)
const sql = postgres(databaseUrl, { max: 1, onnotice: () => {} })
// Past the usual 50 ms a reader would load by itself.
const cache = createCache({ redis: { kind: 'single', url: redisUrl }, l2: { timeoutMs: 10_000 } })
const items = cache.namespace({
  name: 'cold',
  version: 1,
  ttlMs: 60_000,
  load: async (id: number) => {
    const [row] = await sql<{ loads: number }[]>`UPDATE loads SET loads = loads + 1 RETURNING loads`
    await delay(50)
    return { id, loads: row?.loads }
  },
})
process.on('disconnect', () => process.exit())
await cache.whenUsable(10_000)
process.once('message', async () => {
  const hits = await Promise.all(Array.from({ length: Number(readsText) }, () => items.get(1)))
  process.send?.({ values: hits.map((hit) => hit.value?.loads) }, undefined, undefined, async () => {
    await cache.close()
    await sql.end()
    process.disconnect?.()
  })
})
process.send?.('ready')
