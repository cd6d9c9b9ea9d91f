import { fetchAll, fetchPartial, type Part, PartFailedError } from '@reference/async'
import { type Database, queries, type Statement } from '@reference/database'
import { type App, ProblemSchema, sendJson } from '@reference/http'
import { Order, Product, User } from '@reference/model'
import { Type } from 'typebox'
import { forClient } from '../for-client.ts'

const Query = Type.Object({
  limit: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 500, default: 100, description: 'How many rows of each' }),
  ),
  partial: Type.Optional(
    Type.Boolean({ description: 'Answer with what could be had, and name what could not in `errors`' }),
  ),
})

/** What the reply looks like. It is not serialised by this; the tests hold it against it. */
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

export interface AllOptions {
  readonly database: Database
  readonly parallel: boolean
  /** Deadline of each part and so of the whole; in sequence the whole may take three times that. */
  readonly timeoutMs: number
}

/**
 * `GET /all`: three lists side by side, the first failure aborts the others.
 *
 * Each list is one string of JSON that Postgres wrote, and is passed on as it came. Against rows → objects with dates →
 * `JSON.stringify`, 100 rows of each (32 KB), 8 calls in flight, medians of 7 rounds of `bench/all-beside-plain.ts`:
 * 2.6 times as many replies from a second of Node's CPU (0.50 ms a reply against 1.48), 1.5 times as many replies a second
 * where Postgres and the callers share the same 2 cores. Tried and slower: the same as undecoded bytes, objects
 * with moments as text, raw rows that Node writes (a Buffer for each value).
 */
export function allRoute(app: App, { database, parallel, timeoutMs }: AllOptions): void {
  const list =
    (statement: Statement<{ limit: number }, { json: string }>, limit: number): Part<string> =>
    async (signal) =>
      (await database.cancellable.first(statement, { limit }, { signal }))?.json ?? '[]'

  app.get(
    '/all',
    {
      schema: {
        tags: ['parallel'],
        summary: 'Users, orders and products, fetched side by side',
        querystring: Query,
        response: { 200: All, 502: ProblemSchema },
      },
    },
    async (request, reply) => {
      const { limit = 100, partial = false } = request.query
      const lists = {
        users: list(queries.usersJson, limit),
        orders: list(queries.ordersJson, limit),
        products: list(queries.productsJson, limit),
      }
      const json = await forClient(request, async (signal) => {
        const options = { signal, parallel, partTimeoutMs: timeoutMs }
        if (!partial) return members(await fetchAll(lists, options))
        const { results, failed } = await fetchPartial(lists, options)
        const errors = failed.map(({ part, error }) => ({
          part,
          message: new PartFailedError({ part, error }).message,
        }))
        return members({ ...results, errors: JSON.stringify(errors) })
      })
      return sendJson(reply, json)
    },
  )
}

/** An object whose values are JSON already. */
function members(values: Readonly<Record<string, string>>): string {
  return `{${Object.entries(values)
    .map(([name, json]) => `"${name}":${json}`)
    .join(',')}}`
}
