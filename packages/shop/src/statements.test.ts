import { type Pool, queries, type Statement } from '@reference/database'
import t from 'tap'
import { insertOrder, orderById, ordersByIds, ordersPage } from './orders/queries.ts'
import { productById, productsByIds, productsPage } from './products/queries.ts'
import { orderChunk } from './report/queries.ts'
import { settingByKey, settingsByKeys } from './settings/queries.ts'
import { STATEMENTS } from './statements.ts'
import { open } from './testing/open.ts'
import { deleteUser, updateUser, userById, usersByIds, usersPage } from './users/queries.ts'

/** The plan for parameters that are unknown, which is the one that a prepared statement keeps. */
async function planOf<Params extends object, Row>(
  pool: Pool,
  statement: Statement<Params, Row>,
): Promise<string> {
  const { text } = statement.compiled()
  return pool.transaction(async (tx) => {
    const { sql } = await import('drizzle-orm')
    await tx.drizzle.execute(sql`set local plan_cache_mode = force_generic_plan`)
    await tx.drizzle.execute(sql.raw(`prepare planned as ${text}`))
    const holders = Array(new Set(text.match(/\$\d+/g)).size).fill('null')
    const call = holders.length === 0 ? 'planned' : `planned(${holders.join(', ')})`
    const rows = await tx.drizzle.execute(sql.raw(`explain execute ${call}`))
    await tx.drizzle.execute(sql`deallocate planned`)
    return rows.map((row) => String(row['QUERY PLAN'])).join('\n')
  })
}

t.test('hot statements read by their index, and none reads a whole table', async (t) => {
  const { database } = await open(t)
  // The template's 100 products fill two pages, which every plan reads whole.
  await database.primary.sql`insert into products (name, category, price_cents)
    select 'Product ' || n, 'books', n from generate_series(1, 5000) as n`
  await database.primary.sql`analyze products`
  for (const [statement, index] of [
    [userById, 'users_pkey'],
    [usersByIds, 'users_pkey'],
    [usersPage, 'users_pkey'],
    [updateUser, 'users_pkey'],
    [deleteUser, 'users_pkey'],
    [productById, 'products_pkey'],
    [productsByIds, 'products_pkey'],
    [productsPage, 'products_pkey'],
    [orderById, 'orders_pkey'],
    [ordersByIds, 'orders_pkey'],
    [orderChunk, 'orders_pkey'],
    [insertOrder, 'products_pkey'],
    [ordersPage({}), 'orders_created_at_id_idx'],
    [ordersPage({ userId: 1 }), 'orders_user_id_'],
    [ordersPage({ status: 'paid' }), 'orders_status_created_at_id_idx'],
    [ordersPage({ userId: 1, status: 'paid' }), 'orders_user_id_'],
    [settingByKey, 'settings_pkey'],
    [settingsByKeys, 'settings_pkey'],
    [queries.idempotencyGet, 'idempotency_keys_'],
    [queries.outboxTake, 'cache_outbox_cache_id_idx'],
  ] as const) {
    const plan = await planOf(database.primary, statement as Statement<object, unknown>)
    t.match(plan, index, statement.name)
    t.notMatch(plan, 'Seq Scan', statement.name)
  }
})

t.test('lists are planned once per connection, not at each call', async (t) => {
  const { sql } = await import('drizzle-orm')
  const { database } = await open(t)
  const lists = STATEMENTS.filter((statement) => statement.compiled().text.includes(') as rows limit '))
  t.ok(lists.length >= 6)
  for (const { sample = {}, ...statement } of lists) {
    const [plans] = await database.primary.transaction(async (tx) => {
      // Postgres plans the first five calls for their values, and decides then.
      for (let call = 0; call < 8; call++) await tx.run(statement, sample)
      return tx.drizzle.execute(
        sql`select generic_plans::int, custom_plans::int from pg_prepared_statements
          where statement = ${statement.compiled().text}`,
      )
    })
    t.same(plans, { generic_plans: 3, custom_plans: 5 }, statement.name)
  }
})
