import { Counter, type Registry } from '@prometheus-io/client'
import { DeadlineError, fetchAll, type Part, PartFailedError } from '@reference/async'
import { Order } from '@reference/shop/orders/model'
import { Product } from '@reference/shop/products/model'
import { User } from '@reference/shop/users/model'
import { type GetReply, type GetUrl, isUnusableRow, type Upstream, UpstreamError } from '@reference/upstream'
import { type Static, type TSchema, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { paths } from './reference-api.openapi.ts'

export type AggregatedOrder = Static<typeof AggregatedOrder>
export const AggregatedOrder = Type.Object({ ...Order.properties, user: User, product: Product })

export interface AggregateCall {
  readonly signal: AbortSignal
  /** Sent with each call to the upstream. */
  readonly headers: Readonly<Record<string, string>>
}

export interface Aggregated {
  readonly items: AggregatedOrder[]
  /** Ids of the orders that are left out, because they, their user or their product have unknown values. */
  readonly leftOut: readonly number[]
}

/** The newest `limit` orders, each with its user and its product. */
export type Aggregate = (limit: number, call: AggregateCall) => Promise<Aggregated>

/**
 * Joins rows of the upstream over HTTP: a page of orders, then each user and product that the orders name, once each. The
 * upstream's connection pool limits how many calls are in flight. A row with unknown values, such as a status that a newer
 * release has added, leaves out its orders and not the whole page.
 *
 * @param parallel `false` fetches one row after the other
 * @param timeoutMs deadline of the whole call
 */
export function createAggregate(options: {
  upstream: Upstream
  parallel: boolean
  timeoutMs: number
  registry?: Registry
}): Aggregate {
  const { upstream, parallel, timeoutMs, registry } = options
  const leftOutTotal =
    registry &&
    new Counter({
      name: 'aggregate_rows_left_out_total',
      help: 'Orders that /aggregate left out because they, their user or their product have unknown values',
      registers: [registry],
    })

  return (limit, { signal, headers }) => {
    const get =
      <const Path extends string, T>(path: GetUrl<paths, Path>, read: ReaderOf<Path, T>): Part<T> =>
      async (signal) =>
        read(await upstream.get(path, { signal, headers }), path, upstream.name)

    const join = async (signal: AbortSignal): Promise<Aggregated> => {
      const page = await get(`/orders?limit=${limit}`, readPage)(signal)
      const items = page.items.filter((order): order is Order => isOrder(order))
      const userIds = new Set(items.map(({ userId }) => userId))
      const productIds = new Set(items.map(({ productId }) => productId))
      const rows = await fetchAll(
        {
          users: rowsById(userIds, (id) => get(`/users/${id}`, readUser), parallel),
          products: rowsById(productIds, (id) => get(`/products/${id}`, readProduct), parallel),
        },
        { signal, parallel },
      )
      const joined = items.flatMap((order) => {
        const user = rows.users.get(order.userId)
        const product = rows.products.get(order.productId)
        return user === undefined || product === undefined ? [] : [{ ...order, user, product }]
      })
      const kept = new Set(joined.map(({ id }) => id))
      const leftOut = page.items.map(({ id }) => id).filter((id) => !kept.has(id))
      leftOutTotal?.inc(leftOut.length)
      return { items: joined, leftOut }
    }
    return fetchAll({ aggregate: join }, { signal, timeoutMs }).then(
      ({ aggregate }) => aggregate,
      (error) => rethrowUpstream(upstream.name, error),
    )
  }
}

function rowsById<Row>(
  ids: ReadonlySet<number>,
  part: (id: number) => Part<Row>,
  parallel: boolean,
): Part<Map<number, Row | undefined>> {
  return async (signal) => {
    const parts = Object.fromEntries([...ids].map((id) => [id, usable(part(id))]))
    const rows = await fetchAll(parts, { signal, parallel })
    return new Map([...ids].map((id) => [id, rows[id] as Row | undefined]))
  }
}

function usable<Row>(part: Part<Row>): Part<Row | undefined> {
  return (signal) =>
    part(signal).catch((error: unknown) => {
      if (isUnusableRow(error)) return undefined
      throw error
    })
}

/** The reply names the upstream's failure (502, 503 or 504) and not the part of the join in which it occurred. */
function rethrowUpstream(upstream: string, error: unknown): never {
  let cause = error
  while (cause instanceof PartFailedError) cause = cause.cause
  if (cause instanceof DeadlineError)
    throw new UpstreamError(upstream, 'UPSTREAM_TIMED_OUT', cause.message, { cause })
  throw cause instanceof UpstreamError ? cause : error
}

const readPage = reader(Type.Object({ items: Type.Array(shapeOf(Order)) }))
const readUser = rowReader(User)
const readProduct = rowReader(Product)
const orderValidator = Compile(open(Order))
const isOrder = (row: unknown): row is Order => orderValidator.Check(row)

/** Accepts further fields, which a newer upstream may send; the schema of the reply leaves them out. */
function open<Properties extends Record<string, TSchema>>(schema: { properties: Properties }) {
  return Type.Object(schema.properties)
}

/** Checks names and types only: every release of the upstream keeps them, while it may add values. */
function shapeOf(schema: { properties: Record<string, TSchema> }) {
  const loose = Object.entries(schema.properties).map(([name, property]) => [
    name,
    'type' in property && property.type === 'string' ? Type.String() : Type.Number(),
  ])
  return Type.Object(Object.fromEntries(loose) as { id: ReturnType<typeof Type.Number> })
}

/** Checks a body from the upstream. */
type Reader<T> = (body: unknown, path: string, upstream: string) => T

/** A reader of what the OpenAPI document of the upstream promises for a path, or of a part of it. */
type ReaderOf<Path extends string, T> = GetReply<paths, Path> extends T ? Reader<T> : never

function rowReader<Schema extends TSchema & { properties: Record<string, TSchema> }>(
  schema: Schema,
): Reader<Static<Schema>> {
  const read = reader(shapeOf(schema))
  const validator = Compile(open(schema))
  return (body, path, upstream) => {
    if (!validator.Check(read(body, path, upstream)))
      throw new UpstreamError(upstream, 'UPSTREAM_ROW_UNUSABLE', `answered ${path} with unknown values`)
    return body as Static<Schema>
  }
}

function reader<Schema extends TSchema>(schema: Schema): Reader<Static<Schema>> {
  const validator = Compile(schema)
  return (body, path, upstream) => {
    if (body === undefined) throw new UpstreamError(upstream, 'UPSTREAM_REFUSED', `has nothing at ${path}`)
    if (!validator.Check(body))
      throw new UpstreamError(upstream, 'UPSTREAM_MALFORMED', `answered ${path} in an unknown form`)
    return body as Static<Schema>
  }
}
