import type postgres from 'postgres'
import { createClient } from './client.ts'
import { translate } from './errors.ts'

export type SeedOptions = {
  /** Postgres itself rather than PgBouncer: one long transaction on one connection. */
  url: string
  users?: number
  products?: number
  orders?: number
  onProgress?: ((progress: SeedProgress) => void) | undefined
}

export type SeedProgress = { step: string; done: number; total: number }

export type SeedResult = { seeded: boolean; users: number; products: number; orders: number }

const batch = 25_000
// Any number that nothing else in this database locks.
const seedLock = 7_202_612

/**
 * Fills an empty, migrated database with the same rows each time: ids 1…N without gaps, orders over a year from
 * 2025-01-01 UTC, spread over users, products and statuses by integer arithmetic that is the same on every machine.
 *
 * One transaction: all of it or nothing, and nothing when any of the three tables has a row (then `seeded` is
 * false). Postgres makes the rows itself, and indexes and foreign keys are built after the rows: a million orders
 * take 7 s on 2 cores, the default 0.4 s.
 */
export async function seed(options: SeedOptions): Promise<SeedResult> {
  const counts = {
    users: countOf('users', options.users ?? 10_000),
    products: countOf('products', options.products ?? 1_000),
    orders: countOf('orders', options.orders ?? 50_000),
  }
  if (counts.orders > 0 && (counts.users === 0 || counts.products === 0)) {
    throw new RangeError('Orders need at least one user and one product')
  }
  const client = createClient(options.url, 'seed')
  try {
    const seeded = await client.begin((tx) => fill(tx, counts, options.onProgress ?? (() => {})))
    // The planner's figures and the visibility map, so that the first measured query is planned as the thousandth.
    if (seeded) {
      await client`set statement_timeout = 0`
      await client`vacuum (analyze) users, products, orders`
    }
    return { seeded, ...counts }
  } catch (error) {
    throw translate(error)
  } finally {
    await client.end()
  }
}

async function fill(
  tx: postgres.TransactionSql,
  counts: { users: number; products: number; orders: number },
  onProgress: (progress: SeedProgress) => void,
): Promise<boolean> {
  await tx`set local statement_timeout = 0`
  await tx`set local idle_in_transaction_session_timeout = 0`
  await tx`set local maintenance_work_mem = '256MB'`
  await tx`select pg_advisory_xact_lock(${seedLock})`
  const [found] = await tx<{ rows: boolean }[]>`
    select exists (select from users) or exists (select from products) or exists (select from orders) as rows`
  if (found?.rows) return false
  // These are not the rows that were here before: whatever a cache kept of those is no longer asked for.
  await tx`update installation set id = gen_random_uuid()`

  const rebuild = await dropIndexesAndKeys(tx)
  const total = counts.users + counts.products + counts.orders
  let done = 0
  for (const [table, insert] of [
    ['users', insertUsers],
    ['products', insertProducts],
    ['orders', insertOrders],
  ] as const) {
    for (let from = 1; from <= counts[table]; from += batch) {
      const to = Math.min(from + batch - 1, counts[table])
      await insert(tx, from, to, counts)
      done += to - from + 1
      onProgress({ step: table, done, total })
    }
    if (counts[table] > 0) await tx`select setval(pg_get_serial_sequence(${table}, 'id'), ${counts[table]})`
  }
  onProgress({ step: 'indexes', done, total })
  for (const line of rebuild) await tx.unsafe(line)
  return true
}

/** @returns what makes them again, as Postgres itself writes it. */
async function dropIndexesAndKeys(tx: postgres.TransactionSql): Promise<string[]> {
  const keys = await tx<{ drop: string; make: string }[]>`
    select format('alter table %s drop constraint %I', conrelid::regclass, conname) as drop,
      format('alter table %s add constraint %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) as make
    from pg_constraint where contype = 'f' and conrelid = 'orders'::regclass`
  const indexes = await tx<{ drop: string; make: string }[]>`
    select format('drop index %s', indexrelid::regclass) as drop, pg_get_indexdef(indexrelid) as make
    from pg_index where indrelid = 'orders'::regclass and not indisprimary and not indisunique`
  const both = [...indexes, ...keys]
  for (const { drop } of both) await tx.unsafe(drop)
  return both.map(({ make }) => make)
}

type Counts = { users: number; products: number; orders: number }

async function insertUsers(tx: postgres.TransactionSql, from: number, to: number): Promise<void> {
  await tx`
    insert into users (id, email, name, created_at) overriding system value
    select id, lower(first || '.' || last) || '.' || id || '@example.com', first || ' ' || last,
      timestamptz '2024-01-01 00:00Z' + id * interval '1 minute'
    from generate_series(${from}::int, ${to}::int) as id,
      lateral (select
        (array['Ada','Alan','Barbara','Dennis','Edsger','Frances','Grace','Hedy','Ivan','Jean','Katherine','Ken',
          'Leslie','Linus','Margaret','Niklaus','Radia','Robin','Shafi','Tim'])[1 + id % 20] as first,
        (array['Almeida','Becker','Castro','Dubois','Eriksson','Fischer','Garcia','Haddad','Ivanova','Jensen','Kim',
          'Lopez','Moreau','Nguyen','Okafor','Petrov','Rossi','Sato','Tanaka','Weber'])[1 + id / 20 % 20] as last
      ) as names`
}

async function insertProducts(tx: postgres.TransactionSql, from: number, to: number): Promise<void> {
  await tx`
    insert into products (id, name, category, price_cents) overriding system value
    select id,
      (array['Compact','Classic','Foldable','Heavy','Light','Quiet','Silent','Smart','Sturdy','Travel'])[1 + id / 12 % 10]
        || ' ' || (array['Lamp','Novel','Jacket','Drill','Speaker','Kettle','Tent','Puzzle','Chair','Serum','Cable',
          'Planter'])[1 + id % 12] || ' ' || id,
      (array['lighting','books','clothing','tools','audio','kitchen','outdoor','toys','furniture','beauty','electronics',
        'garden'])[1 + id % 12],
      (199 + id::bigint * 7919 % 49800)::int
    from generate_series(${from}::int, ${to}::int) as id`
}

async function insertOrders(
  tx: postgres.TransactionSql,
  from: number,
  to: number,
  counts: Counts,
): Promise<void> {
  await tx`
    insert into orders (id, user_id, product_id, quantity, total_cents, status, created_at) overriding system value
    select made.id, user_id, product_id, quantity, price_cents::bigint * quantity, status, created_at
    from (
      select id, 1 + a % ${counts.users}::int as user_id, 1 + b % ${counts.products}::int as product_id,
        (1 + (b >> 20) % 5)::int as quantity,
        case when c % 100 < 10 then 'pending' when c % 100 < 40 then 'paid'
          when c % 100 < 95 then 'shipped' else 'cancelled' end as status,
        timestamptz '2025-01-01 00:00Z'
          + (id - 1) * 31536000000 / ${counts.orders}::int * interval '1 millisecond' as created_at
      from generate_series(${from}::bigint, ${to}::bigint) as id,
        lateral (select id * 2654435761 % 4294967296 as m) as mixed,
        lateral (select (m # (m >> 16)) * 73244475 % 4294967296 as a) as user_mix,
        lateral (select (a # (a >> 16)) * 73244475 % 4294967296 as b) as product_mix,
        lateral (select (b # (b >> 16)) * 73244475 % 4294967296 as c) as status_mix
    ) as made join products on products.id = product_id
    order by made.id`
}

function countOf(name: string, value: number): number {
  if (Number.isInteger(value) && value >= 0 && value <= 100_000_000) return value
  throw new RangeError(`${name} must be a whole number from 0 to 100000000, got ${value}`)
}
