import t from 'tap'
import type { Request } from '../src/load/request.ts'
import { mixed, mixedCold, mixedWide } from './mixed.ts'

const dataset = { users: 10_000, products: 1000, orders: 50_000 }

function shareOf(requests: readonly Request[], path: RegExp): number {
  return requests.filter((request) => path.test(request.path)).length / requests.length
}

function userPaths(requests: readonly Request[]): string[] {
  return requests.flatMap(({ path }) => (path.startsWith('/users/') ? [path] : []))
}

t.test('5 % of the requests are writes, the others read users, products and pages of orders', async (t) => {
  for (const { name, requests } of [mixed, mixedWide]) {
    const list = requests(dataset)
    const writes = list.filter(({ method }) => method === 'PATCH').length / list.length
    t.ok(Math.abs(writes - 0.05) < 0.01, `${name}: ${writes} writes`)
    t.ok(Math.abs(shareOf(list, /^\/users\//) - 0.05 - 0.95 * 0.65) < 0.01, `${name}: users`)
    t.ok(Math.abs(shareOf(list, /^\/products\//) - 0.95 * 0.15) < 0.01, `${name}: products`)
    t.ok(Math.abs(shareOf(list, /^\/orders\?/) - 0.95 * 0.2) < 0.01, `${name}: pages`)
  }
})

t.test('a tenth of the users gets most of the requests', async (t) => {
  const counts = new Map<string, number>()
  const paths = userPaths(mixedWide.requests(dataset))
  for (const path of paths) counts.set(path, (counts.get(path) ?? 0) + 1)
  const most = [...counts.values()].toSorted((a, b) => b - a).slice(0, 1000)
  t.ok(most.reduce((sum, count) => sum + count) > 0.7 * paths.length)
  t.ok(new Set(userPaths(mixed.requests(dataset))).size <= 1000)
})

t.test('the fixed rate has requests of its own, which are the same in every run', async (t) => {
  for (const { name, requests, open } of [mixed, mixedWide, mixedCold]) {
    t.notSame(open?.requests?.(dataset).slice(0, 20), requests(dataset).slice(0, 20), name)
    t.same(open?.requests?.(dataset).slice(0, 20), open?.requests?.(dataset).slice(0, 20), name)
  }
})

t.test('most reads of the cold mix are for orders that are seldom read twice', async (t) => {
  const orders = mixedCold
    .requests(dataset)
    .flatMap(({ path }) => (/^\/orders\/\d+$/.test(path) ? [path] : []))
  t.ok(orders.length > 0.6 * mixedCold.requests(dataset).length)
  t.ok(new Set(orders).size > 0.85 * orders.length)
})
