import { DeadlineError, fetchAll, type Part, PartFailedError } from '@reference/async'
import { Order, Product, User } from '@reference/model'
import { type Upstream, UpstreamError } from '@reference/upstream'
import { type Static, type TSchema, Type } from 'typebox'
import { Compile } from 'typebox/compile'

export type AggregatedOrder = Static<typeof AggregatedOrder>
export const AggregatedOrder = Type.Object({ ...Order.properties, user: User, product: Product })

export interface AggregateCall {
  readonly signal: AbortSignal
  /** Sent with each call to the upstream. */
  readonly headers: Readonly<Record<string, string>>
}

/** The newest `limit` orders, each with its user and its product. */
export type Aggregate = (limit: number, call: AggregateCall) => Promise<AggregatedOrder[]>

/**
 * Joins rows of the upstream over HTTP: a page of orders, then each user and product that the orders name, once each. The
 * upstream's connection pool limits how many calls are in flight.
 *
 * @param parallel `false` fetches one row after the other
 * @param timeoutMs deadline of the whole call
 */
export function createAggregate(options: {
  upstream: Upstream
  parallel: boolean
  timeoutMs: number
}): Aggregate {
  const { upstream, parallel, timeoutMs } = options

  return (limit, { signal, headers }) => {
    const get =
      <T>(path: string, read: Reader<T>): Part<T> =>
      async (signal) =>
        read(await upstream.get(path, { signal, headers }), path, upstream.name)

    const join = async (signal: AbortSignal): Promise<AggregatedOrder[]> => {
      const { items } = await get(`/orders?limit=${limit}`, readPage)(signal)
      const userIds = new Set(items.map(({ userId }) => userId))
      const productIds = new Set(items.map(({ productId }) => productId))
      const rows = await fetchAll(
        {
          users: rowsById(userIds, (id) => get(`/users/${id}`, readUser), parallel),
          products: rowsById(productIds, (id) => get(`/products/${id}`, readProduct), parallel),
        },
        { signal, parallel },
      )
      return items.flatMap((order) => {
        const user = rows.users.get(order.userId)
        const product = rows.products.get(order.productId)
        return user === undefined || product === undefined ? [] : [{ ...order, user, product }]
      })
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
): Part<Map<number, Row>> {
  return async (signal) => {
    const parts = Object.fromEntries([...ids].map((id) => [id, part(id)]))
    const rows = await fetchAll(parts, { signal, parallel })
    return new Map([...ids].map((id) => [id, rows[id] as Row]))
  }
}

/** The reply names the upstream's failure (502, 503 or 504) and not the part of the join in which it occurred. */
function rethrowUpstream(upstream: string, error: unknown): never {
  let cause = error
  while (cause instanceof PartFailedError) cause = cause.cause
  if (cause instanceof DeadlineError)
    throw new UpstreamError(upstream, 'UPSTREAM_TIMED_OUT', cause.message, { cause })
  throw cause instanceof UpstreamError ? cause : error
}

const readPage = reader(Type.Object({ items: Type.Array(open(Order)) }))
const readUser = reader(open(User))
const readProduct = reader(open(Product))

/** Accepts further fields, which a newer upstream may send; the schema of the reply leaves them out. */
function open<Properties extends Record<string, TSchema>>(schema: { properties: Properties }) {
  return Type.Object(schema.properties)
}

/** Checks a body from the upstream. */
type Reader<T> = (body: unknown, path: string, upstream: string) => T

function reader<Schema extends TSchema>(schema: Schema): Reader<Static<Schema>> {
  const validator = Compile(schema)
  return (body, path, upstream) => {
    if (body === undefined) throw new UpstreamError(upstream, 'UPSTREAM_REFUSED', `has nothing at ${path}`)
    if (!validator.Check(body))
      throw new UpstreamError(upstream, 'UPSTREAM_MALFORMED', `answered ${path} in an unknown form`)
    return body as Static<Schema>
  }
}
