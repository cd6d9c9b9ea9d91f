import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { startLoad } from '../testing/load.ts'
import { report, theProduction } from './production.ts'
import { underLoad } from './under-load.ts'

const { production, origin, rate, authorization, docker, prod, ask } = theProduction()
const APIS = ['reference-api', 'parallel-api'] as const

const count = async () =>
  (await Promise.all(APIS.map((api) => production.containers(api)))).map((list) => list.length)

t.test('a killed replica of each API costs no read', async (t) => {
  const { failures } = await underLoad('a replica of each API killed', async () => {
    for (const api of APIS) {
      const [victim] = await production.containers(api)
      await docker(['kill', victim?.id ?? ''])
    }
    await sleep(2000)
  })
  t.same(failures, [])
  t.same(await count(), [2, 2])
  t.equal((await prod('scale', '3')).code, 0)
  t.same(await count(), [3, 3])
})

t.test('a replica of each API that hangs costs no read', async (t) => {
  const victims = await Promise.all(APIS.map(async (api) => (await production.containers(api))[0]?.id ?? ''))
  const { failures } = await underLoad('a replica of each API hung for 5 s', async () => {
    await docker(['pause', ...victims])
    await sleep(5000)
    await docker(['unpause', ...victims])
  })
  t.same(failures, [])
})

t.test(
  'a write on a replica that is killed fails with an error, and takes effect at most once',
  async (t) => {
    await ordersWhile(t, 'two replicas killed', async () => {
      for (const victim of (await production.containers('reference-api')).slice(0, 2)) {
        await docker(['kill', victim.id])
        await sleep(1500)
      }
    })
    t.equal((await prod('scale', '3')).code, 0)
  },
)

t.test('a write on a replica that hangs fails with an error, and takes effect at most once', async (t) => {
  const failed = await ordersWhile(t, 'a replica hung for 4 s', async () => {
    const [victim] = await production.containers('reference-api')
    await docker(['pause', victim?.id ?? ''])
    await sleep(4000)
    // The replica now completes the requests that it received before, although their clients have gone.
    await docker(['unpause', victim?.id ?? ''])
    await sleep(2000)
  })
  t.ok(failed > 0, 'the hanging replica received some requests')
})

t.test('scaling from 3 to 5 to 2 costs no request', async (t) => {
  const { failures } = await underLoad('scaled from 3 to 5 to 2', async () => {
    t.equal((await prod('scale', '5')).code, 0)
    t.same(await count(), [5, 5])
    t.equal((await prod('scale', '2')).code, 0)
    t.same(await count(), [2, 2])
  })
  t.same(failures, [])
  t.equal((await prod('scale', '3')).code, 0)
})

/** Sends orders during an action, then compares every row. Resolves with the number of failed orders. */
async function ordersWhile(t: Test, what: string, action: () => Promise<void>): Promise<number> {
  const before = Number(await ask('SELECT max(id) FROM orders'))
  const load = startLoad(origin, Math.min(rate, 60), (index) => ({
    method: 'POST',
    path: '/orders',
    headers: authorization,
    // Each pair of user and product occurs once, so that a duplicate order is detected.
    body: { userId: 1 + (index % 10_000), productId: 1 + (Math.floor(index / 10_000) % 1000), quantity: 1 },
  }))
  await sleep(1000)
  await action()
  const { sent, failures } = await load.stop()
  report(`orders, ${what}: ${sent} sent, ${failures.length} answered with ${statuses(failures)}`)
  for (const { status } of failures) t.ok([502, 504].includes(status), `a clear error, not ${status}`)
  const [made, pairs] = (
    await ask(`SELECT count(*), count(DISTINCT (user_id, product_id)) FROM orders WHERE id > ${before}`)
  ).split('|')
  t.equal(made, pairs, 'no order twice')
  t.ok(Number(made) >= sent - failures.length && Number(made) <= sent, 'what was acknowledged is there')
  return failures.length
}

function statuses(failures: readonly { status: number }[]): string {
  const all = new Set(failures.map(({ status }) => status))
  return all.size === 0 ? 'an error' : [...all].sort().join(' or ')
}
