import { queries } from './queries/index.ts'
import { newestOrder } from './queries/orders.ts'
import type { Statement } from './statement.ts'

/** A statement with parameters of a usual call; a statement that may read much says why, every other one is hot. */
export type Sample = { statement: Statement<object, unknown>; params: object; whole: string | undefined }

const hot = <Params extends object>(statement: Statement<Params, unknown>, params: Params): Sample => ({
  statement: statement as Statement<object, unknown>,
  params,
  whole: undefined,
})

const whole = <Params extends object>(
  why: string,
  statement: Statement<Params, unknown>,
  params: Params,
): Sample => ({ ...hot(statement, params), whole: why })

const ids = Array.from({ length: 100 }, (_, index) => 1 + index * 7)
const page = { ...newestOrder, limit: 50 }
const later = { createdAt: '2025-06-01T00:00:00Z', id: 1, limit: 50 }
const key = { scope: 'POST /orders', key: 'explain' }

/** Every statement of `queries`; a test holds that none is missing. */
export const samples: Sample[] = [
  hot(queries.userById, { id: 42 }),
  hot(queries.usersByIds, { ids }),
  hot(queries.usersPage, { after: 100, limit: 50 }),
  hot(queries.insertUser, { email: 'explain@example.com', name: 'Explain' }),
  hot(queries.updateUser, { id: 42, email: null, name: 'Explain' }),
  // Nobody: a user with orders cannot be deleted, and the way to the row is the same.
  hot(queries.deleteUser, { id: 2_147_483_647 }),
  hot(queries.productById, { id: 42 }),
  hot(queries.productsByIds, { ids: ids.slice(0, 10) }),
  hot(queries.productsPage, { after: 10, limit: 50 }),
  hot(queries.orderById, { id: 42 }),
  hot(queries.ordersPage({}), later),
  hot(queries.ordersPage({ userId: 42 }), { ...page, userId: 42 }),
  hot(queries.ordersPage({ status: 'paid' }), { ...later, status: 'paid' }),
  hot(queries.ordersPage({ userId: 42, status: 'paid' }), { ...page, userId: 42, status: 'paid' }),
  hot(queries.insertOrder, { userId: 42, productId: 42, quantity: 1 }),
  hot(queries.settingByKey, { key: 'explain' }),
  hot(queries.putSetting, { key: 'explain', valueJson: '1' }),
  hot(queries.idempotencyLock, key),
  hot(queries.idempotencyGet, key),
  hot(queries.idempotencyInsert, { ...key, bodySha256: '', status: 201, headersJson: '{}', body: '' }),
  hot(queries.idempotencyPurge, { limit: 1000 }),
  hot(queries.outboxInsert, { keys: ['c:user:1:{42}'] }),
  hot(queries.outboxTake, { cache: 'explain', limit: 100, minAgeMs: 0 }),
  hot(queries.outboxRemove, { ids: [1, 2, 3] }),
  hot(queries.outboxStatus, { cache: 'explain' }),
  hot(queries.cacheRegister, { cache: 'explain', keepMs: 3_600_000 }),
  hot(queries.cacheTouch, { cache: 'explain', keepMs: 3_600_000 }),
  hot(queries.cacheWriters, {}),
  hot(queries.installationParts, {}),
  hot(queries.installationPartsWithoutSystem, {}),
  hot(queries.installationInsert, {}),
  hot(queries.usersJson, { limit: 100 }),
  hot(queries.productsJson, { limit: 100 }),
  hot(queries.ordersJson, { limit: 100 }),
  hot(queries.orderIdRange, {}),
  hot(queries.orderPart, { from: 1, to: 1000 }),
  whole('a registration for each Redis, once a minute', queries.cacheExpire, {}),
  whole('looks for rows that nothing delivers, once a minute', queries.outboxPurge, {
    limit: 100,
    maxAgeMs: 3_600_000,
  }),
  whole('a report over all orders', queries.report, {}),
  whole('the categories of all products, for a report', queries.productCategories, {}),
]
