import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { testDatabase, testRedis } from '@reference/local-stack'
import postgres from 'postgres'
import t from 'tap'

t.test('4 processes with 200 reads each of one cold key run the loader once', async (t) => {
  const [database, redis] = await Promise.all([
    testDatabase(t, { from: 'empty' }),
    testRedis(t, { own: true }),
  ])
  const sql = postgres(database.url, { max: 1, onnotice: () => {} })
  t.teardown(() => sql.end())
  await sql`CREATE TABLE loads AS SELECT 0 AS loads`
  const { NODE_OPTIONS: _, NODE_V8_COVERAGE: __, ...env } = process.env
  const file = fileURLToPath(new URL('./testing/stampede-worker.ts', import.meta.url))
  const workers = Array.from({ length: 4 }, () =>
    fork(file, [redis.url, database.url, '200'], { execArgv: [], env }),
  )
  t.teardown(() => workers.forEach((worker) => void worker.kill('SIGKILL')))
  await Promise.all(workers.map((worker) => once(worker, 'message')))
  const answers = workers.map((worker) => once(worker, 'message') as Promise<[{ values: number[] }]>)
  for (const worker of workers) worker.send('go')
  const values = (await Promise.all(answers)).flatMap(([{ values }]) => values)
  t.equal(values.length, 800)
  t.ok(values.every((value) => value === 1))
  t.same(await sql`SELECT loads FROM loads`, [{ loads: 1 }])
})
