import { queries } from '@reference/database'
import {
  type App,
  ID_CURSOR,
  IdParams,
  PageQuery,
  ProblemSchema,
  page,
  readPage,
  sendCached,
  shortReply,
} from '@reference/http'
import { Product } from '@reference/model'
import type { AppContext } from '../app.ts'
import { notFound } from '../errors.ts'

export function productRoutes(app: App, { database, caches }: AppContext): void {
  app.get(
    '/products/:id',
    {
      ...shortReply,
      schema: { tags: ['products'], params: IdParams, response: { 200: Product, 404: ProblemSchema } },
    },
    (request, reply) => sendCached(reply, caches.products, request.params.id, () => notFound('product')),
  )

  app.get(
    '/products',
    { schema: { tags: ['products'], querystring: PageQuery, response: { 200: page(Product) } } },
    ({ query: { limit = 50, after } }) => {
      const from = after === undefined ? 0 : ID_CURSOR.decode(after).id
      const read = (rows: number) => database.replica.run(queries.productsPage, { after: from, limit: rows })
      return readPage(limit, read, ID_CURSOR.encode)
    },
  )
}
