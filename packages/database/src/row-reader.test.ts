import { Registry } from '@prometheus-io/client'
import { createRandom } from '@reference/async/testing'
import { orderById, ordersByIds } from '@reference/shop/orders/queries'
import { putSetting, settingByKey, settingsByKeys } from '@reference/shop/settings/queries'
import { updateUser, userById, usersByIds } from '@reference/shop/users/queries'
import t from 'tap'
import { lockTable } from './testing/lock-table.ts'
import { open } from './testing/open.ts'

const USERS = { column: 'id', one: userById, many: usersByIds } as const
const ORDERS = { column: 'id', one: orderById, many: ordersByIds } as const
const SETTINGS = { column: 'key', one: settingByKey, many: settingsByKeys } as const

/** How often each statement of a registry was sent, by name. */
async function sentStatements(registry: Registry): Promise<Record<string, number>> {
  const metric = await registry.getSingleMetric('db_query_duration_seconds')?.get()
  const counts = metric?.values.filter(
    (value) => 'metricName' in value && String(value.metricName).endsWith('_count'),
  )
  return Object.fromEntries((counts ?? []).map(({ labels, value }) => [String(labels.statement), value]))
}

async function opened(t: Parameters<typeof open>[0], options: Parameters<typeof open>[1] = {}) {
  const registry = new Registry()
  const stack = await open(t, { registry, ...options })
  return { ...stack, registry }
}

t.test(
  'reads of one turn are one prepared statement, and a lone read is the statement of a single row',
  async (t) => {
    const { database, registry } = await opened(t)
    const read = database.reader(USERS)
    const ids = Array.from({ length: 50 }, (_, index) => index + 1)
    const rows = await Promise.all([...ids, 1, 999_999].map((id) => read(id)))
    t.same(
      rows.map((row) => row?.id),
      [...ids, 1, undefined],
    )
    t.same(rows[4], await database.primary.first(userById, { id: 5 }))
    t.same(await sentStatements(registry), { users_by_ids: 1, user_by_id: 1 })
    t.equal((await read(7))?.id, 7)
    t.same(await sentStatements(registry), { users_by_ids: 1, user_by_id: 2 })
    const sizes = await registry.getSingleMetricAsString('db_batch_keys')
    t.match(sizes, /db_batch_keys_sum\{pool="primary",statement="users_by_ids"\} 52\n/)
    t.match(sizes, /db_batch_keys_count\{pool="primary",statement="users_by_ids"\} 2$/m)
  },
)

t.test('Postgres keeps one plan of the statement for batches of every size', async (t) => {
  const { database } = await opened(t, { poolMax: 1 })
  const read = database.reader(ORDERS)
  const sizes = [2, 60, 2, 3, 2, 64, 2, 31, 5, 2]
  for (const size of sizes) await Promise.all(Array.from({ length: size }, (_, index) => read(index + 1)))
  const { text } = ordersByIds.compiled()
  const [plans] = await database.primary.sql<object>`select generic_plans::int, custom_plans::int
    from pg_prepared_statements where statement = ${text}`
  t.same(plans, { generic_plans: sizes.length - 5, custom_plans: 5 })
})

t.test('a batch has at most 64 keys, and at most 4 statements are in flight', async (t) => {
  const { database, registry, url } = await opened(t)
  const read = database.reader(USERS)
  const lock = await lockTable(t, url, 'users')
  const ids = Array.from({ length: 1000 }, (_, index) => index + 1)
  const rows = Promise.all(ids.map((id) => read(id)))
  await lock.untilWaiting(4)
  t.same(database.stats().primary, { size: 240, inUse: 4, waiting: 0 })
  await lock.release()
  t.same(
    (await rows).map((row) => row?.id),
    ids,
  )
  t.same(await sentStatements(registry), { users_by_ids: Math.ceil(1000 / 64) })
})

t.test('without batching each read is a statement', async (t) => {
  const { database, registry } = await opened(t, { batching: false })
  const read = database.reader(USERS)
  const rows = await Promise.all([1, 2, 3, 999_999].map((id) => read(id)))
  t.same(
    rows.map((row) => row?.id),
    [1, 2, 3, undefined],
  )
  t.same(await sentStatements(registry), { user_by_id: 4 })
})

t.test('settings are read by keys with every character', async (t) => {
  const { database } = await opened(t)
  const keys = [
    '"',
    '\\',
    '\\"',
    '{a,b}',
    ',',
    'null',
    'NULL',
    '',
    ' ',
    "'; --",
    '%',
    '\n\t',
    'é🙂',
    'a'.repeat(500),
  ]
  for (const key of keys) {
    await database.primary.run(putSetting, { key, valueJson: JSON.stringify({ of: key }) })
  }
  const read = database.reader(SETTINGS)
  const absent = ['"absent', '{}']
  const rows = await Promise.all([...keys, ...absent].map((key) => read(key)))
  t.same(
    rows.map((row) => row?.value),
    [...keys.map((key) => ({ of: key })), undefined, undefined],
  )
})

t.test('a key that Postgres refuses fails only its caller', async (t) => {
  const { database } = await opened(t)
  const readSetting = database.reader(SETTINGS)
  await database.primary.run(putSetting, { key: 'a', valueJson: '1' })
  const settings = await Promise.allSettled([readSetting('a'), readSetting('\u0000'), readSetting('b')])
  t.match(settings, [{ value: { value: 1 } }, { reason: { code: '22021' } }, { value: undefined }])
  const readUser = database.reader(USERS)
  const users = await Promise.allSettled([1, 3_000_000_000, 2, 1.5].map((id) => readUser(id)))
  t.match(users, [
    { value: { id: 1 } },
    { reason: { code: /^22/ } },
    { value: { id: 2 } },
    { reason: { code: /^22/ } },
  ])
})

t.test('a read sees every write that was acknowledged before it', async (t) => {
  const { database } = await opened(t)
  const read = database.reader(USERS)
  const seed = Date.now() % 2 ** 31
  const random = createRandom(seed)
  const acknowledged = new Map<number, number>()
  let version = 0
  const faults: string[] = []

  const writer = async (id: number) => {
    for (let write = 0; write < 60; write++) {
      const own = ++version
      await database.primary.run(updateUser, { id, email: null, name: `v${own}` })
      acknowledged.set(id, own)
      if (random() < 0.5) await check(id)
    }
  }
  const reader = async () => {
    for (let step = 0; step < 150; step++) {
      await check(1 + Math.floor(random() * 8))
      if (random() < 0.3) await new Promise(setImmediate)
    }
  }
  const check = async (id: number) => {
    const least = acknowledged.get(id) ?? 0
    const row = await read(id)
    const found = Number(/^v(\d+)$/.exec(row?.name ?? '')?.[1] ?? 0)
    if (found < least) faults.push(`user ${id}: version ${found}, after ${least} was acknowledged`)
  }
  // One writer a user, so that its versions only grow.
  await Promise.all([
    ...Array.from({ length: 8 }, (_, index) => writer(index + 1)),
    ...Array.from({ length: 30 }, reader),
  ])
  t.same(faults, [], `seed ${seed}`)
})

t.test('a caller that leaves gets its reason at once; the others get their rows', async (t) => {
  const { database, url } = await opened(t)
  const read = database.reader(USERS)
  const lock = await lockTable(t, url, 'users')
  const leaving = new AbortController()
  const left = read(1, { signal: leaving.signal })
  const stayed = [read(1), read(2, { signal: new AbortController().signal })]
  await lock.untilWaiting(1)
  leaving.abort(new Error('gone'))
  await t.rejects(left, { message: 'gone' })
  await lock.release()
  t.match(await Promise.all(stayed), [{ id: 1 }, { id: 2 }])
})

t.test(
  'reads that wait for a statement longer than the limit of the pool are refused with 503',
  async (t) => {
    const { database, url, registry } = await opened(t, { poolTimeoutMs: 50 })
    const read = database.reader(USERS)
    const lock = await lockTable(t, url, 'users')
    const sent: Promise<unknown>[] = []
    for (let batch = 1; batch <= 4; batch++) {
      sent.push(read(batch))
      await lock.untilWaiting(batch)
    }
    await t.rejects(read(5), { code: 'DB_POOL_TIMEOUT', statusCode: 503 })
    t.match(
      await registry.getSingleMetricAsString('db_pool_refused_total'),
      /db_pool_refused_total\{pool="primary",reason="timeout"\} 1\n/,
    )
    await lock.release()
    t.equal((await Promise.all(sent)).length, 4)
    t.equal((await read(5))?.id, 5)
  },
)

t.test(
  'a batch is repeated once when its connection breaks, and fails with 503 on a closed pool',
  async (t) => {
    const { database, url } = await opened(t, { poolMax: 1 })
    const read = database.reader(USERS)
    t.equal((await read(1))?.id, 1)
    const lock = await lockTable(t, url, 'users')
    const rows = [read(1), read(2)]
    await lock.untilWaiting(1)
    await lock.endWaiting()
    await lock.release()
    t.match(await Promise.all(rows), [{ id: 1 }, { id: 2 }])
    await database.close()
    const refused = await Promise.allSettled([read(1), read(2)])
    t.match(refused, Array(2).fill({ reason: { code: 'DB_UNAVAILABLE' } }))
  },
)
