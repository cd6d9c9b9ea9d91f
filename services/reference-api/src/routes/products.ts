import {
  type App,
  clientSignal,
  createSharedReplies,
  described,
  hotRow,
  ID_CURSOR,
  IdParams,
  NOT_CHANGED,
  PageQuery,
  page,
  problem,
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
      schema: {
        tags: ['products'],
        operationId: 'getProduct',
        summary: 'One product',
        params: IdParams,
        response: {
          200: described('The product; with an `etag` if the request has `if-none-match`', Product),
          304: NOT_CHANGED,
          404: problem('There is no such product'),
        },
      },
    },
    (request, reply) => sendCached(reply, products, request.params.id, () => notFound('product')),
  )

  app.get(
    '/products',
    {
      schema: {
        tags: ['products'],
        operationId: 'listProducts',
        summary: 'A page of products, by id',
        querystring: PageQuery,
        response: { 200: described('A page; `next` is null on the last one', page(Product)) },
      },
    },
    ({ query: { limit = 50, after } }, reply) => {
      const from = after === undefined ? 0 : ID_CURSOR.decode(after).id
      const read = (signal: AbortSignal) => (rows: number) =>
        database.replica.bytes(productsPage, { after: from, limit: rows }, { signal })
      const readShared = (signal: AbortSignal) => readPage(limit, read(signal), productsPage, ID_CURSOR)
      return sendPage(reply, `${limit} ${from}`, readShared, clientSignal(reply))
    },
  )
}
