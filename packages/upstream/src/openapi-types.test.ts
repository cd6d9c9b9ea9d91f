import t from 'tap'
import type { GetReply, GetUrl } from './index.ts'

/** As openapi-typescript writes it. */
interface Paths {
  '/users/{id}': {
    get: {
      parameters: { query?: never; path: { id: number } }
      responses: { 200: { content: { 'application/json': { id: number; name: string } } } }
    }
    put?: never
  }
  '/users/me': {
    get: {
      parameters: { query?: never }
      responses: { 200: { content: { 'application/json': { me: true } } } }
    }
  }
  '/users/{id}/orders/{orderId}': {
    get: {
      parameters: { query?: never }
      responses: { 200: { content: { 'application/json': { order: number } } } }
    }
  }
  '/orders': {
    get: {
      parameters: { query?: { limit?: number; status?: 'paid' } }
      responses: { 200: { content: { 'application/json': { items: string[] } } } }
    }
  }
  '/imports': { get?: never; post: object }
}

/** Gives back what the compiler has accepted; `pnpm check types` is the test, the comparisons show that it ran. */
function get<const Url extends string>(url: GetUrl<Paths, Url>): GetReply<Paths, Url> | string {
  return url
}

t.test('a URL of the document has the type of its reply', async (t) => {
  const id = 7 as number
  const user: { id: number; name: string } | string = get(`/users/${id}`)
  const me: { me: true } | string = get('/users/me')
  const order: { order: number } | string = get(`/users/${id}/orders/${id}`)
  const orders: { items: string[] } | string = get(`/orders?limit=${id}&status=paid`)
  t.same(
    [user, me, order, orders],
    ['/users/7', '/users/me', '/users/7/orders/7', '/orders?limit=7&status=paid'],
  )
})

t.test('the compiler refuses a path, a method or a query that the document does not have', async (t) => {
  const calls = [
    // @ts-expect-error there is no such path
    get('/user/1'),
    // @ts-expect-error it has no GET
    get('/imports'),
    // @ts-expect-error there is no such parameter
    get('/orders?size=1'),
    // @ts-expect-error one of them does not exist
    get('/orders?limit=1&size=1'),
    // @ts-expect-error a parameter has no slash
    get('/users/1/orders'),
  ]
  // @ts-expect-error the reply has another type
  const user: { id: string } | string = get('/users/1')
  t.equal(calls.length, 5)
  t.ok(user)
})
