import {
  type App,
  clientSignal,
  createSharedReplies,
  hotRow,
  ID_CURSOR,
  IdParams,
  PageQuery,
  ProblemSchema,
  page,
  readPage,
  sendCached,
  shortReply,
} from '@reference/http'
import { productEntry } from '@reference/shop/products/cache'
import { Product } from '@reference/shop/products/model'
import { productsPage } from '@reference/shop/products/queries'
import type { Context } from '../context.ts'
import { notFound } from '../errors.ts'

export function productRoutes(app: App, { database, cached, config }: Context): void {
  const products = cached(productEntry)
  const sendPage = createSharedReplies(config.sharedReads)

  app.get(
    '/products/:id',
    {
      ...shortReply,
      config: hotRow(products),
      schema: { tags: ['products'], params: IdParams, response: { 200: Product, 404: ProblemSchema } },
    },
    (request, reply) => sendCached(reply, products, request.params.id, () => notFound('product')),
  )

  app.get(
    '/products',
    { schema: { tags: ['products'], querystring: PageQuery, response: { 200: page(Product) } } },
    ({ query: { limit = 50, after } }, reply) => {
      const from = after === undefined ? 0 : ID_CURSOR.decode(after).id
      const read = (signal: AbortSignal) => (rows: number) =>
        database.replica.run(productsPage, { after: from, limit: rows }, { signal })
      const readShared = (signal: AbortSignal) => readPage(limit, read(signal), ID_CURSOR.encode)
      return sendPage(reply, `${limit} ${from}`, readShared, clientSignal(reply))
    },
  )
}
