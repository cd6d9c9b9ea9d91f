import type { Order } from '@reference/shop/orders/model'
import type { Product } from '@reference/shop/products/model'
import type { User } from '@reference/shop/users/model'
import { startTestUpstream, type TestUpstream } from '@reference/upstream/testing'
import type { Scope } from './test-api.ts'

/** A test server in place of the reference-api, with 30 orders of 10 users and 5 products. */
export function startUpstream(t: Scope): Promise<TestUpstream> {
  return startTestUpstream(t, rowAt)
}

export const upstreamOrder = (id: number): Order => ({
  id,
  userId: (id % 10) + 1,
  productId: (id % 5) + 1,
  quantity: 2,
  totalCents: 200 * ((id % 5) + 1),
  status: 'paid',
  createdAt: '2026-01-31T12:00:00.000Z',
})
export const upstreamUser = (id: number): User => ({
  id,
  email: `user${id}@example.com`,
  name: `User ${id} "Ü"`,
  createdAt: '2026-01-01T00:00:00.000Z',
})
export const upstreamProduct = (id: number): Product => ({
  id,
  name: `Product ${id}`,
  category: 'home',
  priceCents: 100 * id,
})

function rowAt(path: string): unknown {
  const { pathname, searchParams } = new URL(path, 'http://upstream')
  const [, table, id] = pathname.split('/')
  if (table === 'health') return { status: 'ok' }
  if (table === 'orders') {
    const limit = Math.min(30, Number(searchParams.get('limit')))
    return { items: Array.from({ length: limit }, (_, index) => upstreamOrder(30 - index)), next: null }
  }
  if (table === 'users' && Number(id) <= 10) return upstreamUser(Number(id))
  if (table === 'products' && Number(id) <= 5) return upstreamProduct(Number(id))
  return undefined
}
