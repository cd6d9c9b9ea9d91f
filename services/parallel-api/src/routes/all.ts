import { fetchAll, fetchPartial, type Part, PartFailedError } from '@reference/async'
import type { Database, JsonList, ListParams } from '@reference/database'
import { type App, createSharedReplies, described, problem } from '@reference/http'
import { Order } from '@reference/shop/orders/model'
import { NEWEST_ORDER, ordersPages } from '@reference/shop/orders/queries'
import { Product } from '@reference/shop/products/model'
import { productsPage } from '@reference/shop/products/queries'
import { User } from '@reference/shop/users/model'
import { usersPage } from '@reference/shop/users/queries'
import { Type } from 'typebox'
import { forClient } from '../for-client.ts'

const Query = Type.Object({
  limit: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 500, default: 100, description: 'Rows of each list' }),
  ),
  partial: Type.Optional(
    Type.Boolean({
      description: 'Answer with the lists that could be fetched, and name the others in `errors`',
    }),
  ),
})

/** The form of the reply, for the documentation: no serialiser uses it. The tests check the reply against it. */
export const All = Type.Object({
  users: Type.Optional(Type.Array(User)),
  orders: Type.Optional(Type.Array(Order)),
  products: Type.Optional(Type.Array(Product)),
  errors: Type.Optional(
    Type.Array(
      Type.Object({
        part: Type.String({ examples: ['orders'] }),
        message: Type.String({ examples: ['orders could not be fetched'] }),
      }),
      { description: 'Only with `partial=true`' },
    ),
  ),
})

/** The part of the context that this route uses. */
export interface AllContext {
  readonly database: Database
  readonly config: { readonly parallelFetch: boolean; readonly sharedReads: boolean }
  readonly deadlines: { readonly allMs: number }
}

/**
 * `GET /all`: three lists in parallel; the first failure aborts the others.
 *
 * Each list is one value of Postgres, whose JSON this process writes as bytes (`jsonList`). 100 rows of each (32 KB), 50 callers that
 * share nothing, the service on one core and Postgres on the other, taking turns: 1.2 times as many replies a second as with JSON
 * that Postgres wrote (six runs, 0.9 to 1.4, with other work on the machine), because Postgres takes 0.7 times the CPU time for a
 * reply. That in turn was 1.5 times as many as with rows → objects with dates → `JSON.stringify` (`bench/all-beside-plain.ts`).
 * Slower were: objects with timestamps as text, and raw rows that Node writes, a Buffer for each value.
 */
export function allRoute(app: App, { database, config, deadlines }: AllContext): void {
  const send = createSharedReplies(config.sharedReads)
  const list =
    <Params extends ListParams>(statement: JsonList<Params>, params: Params): Part<Buffer> =>
    async (signal) =>
      statement.encode(await database.cancellable.bytes(statement, params, { signal }))

  async function fetchLists(limit: number, partial: boolean, signal: AbortSignal): Promise<Buffer> {
    const lists = {
      users: list(usersPage, { after: 0, limit }),
      orders: list(ordersPages.all, { ...NEWEST_ORDER, limit }),
      products: list(productsPage, { after: 0, limit }),
    }
    // In sequence the whole call may take three times the deadline of a part.
    const options = { signal, parallel: config.parallelFetch, partTimeoutMs: deadlines.allMs }
    if (!partial) return members(await fetchAll(lists, options))
    const { results, failed } = await fetchPartial(lists, options)
    const errors = failed.map(({ part, error }) => ({
      part,
      message: new PartFailedError({ part, error }).message,
    }))
    return members({ ...results, errors: Buffer.from(JSON.stringify(errors)) })
  }

  app.get(
    '/all',
    {
      config: { priority: 'report' },
      schema: {
        tags: ['parallel'],
        operationId: 'listAll',
        summary: 'Users, orders and products, fetched in parallel',
        description: 'The first list that fails cancels the others, down to their statements in Postgres.',
        querystring: Query,
        response: { 200: described('The lists', All), 502: problem('A list could not be fetched') },
      },
    },
    (request, reply) => {
      const { limit = 100, partial = false } = request.query
      const read = (signal: AbortSignal) => fetchLists(limit, partial, signal)
      return forClient(reply, (signal) => send(reply, `${limit} ${partial}`, read, signal))
    },
  )
}

/** A JSON object whose values are JSON already. */
function members(values: Readonly<Record<string, Buffer>>): Buffer {
  const parts = Object.entries(values).flatMap(([name, json], index) => [
    Buffer.from(`${index === 0 ? '{' : ','}"${name}":`),
    json,
  ])
  return Buffer.concat([...parts, Buffer.from('}')])
}
