import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { type LoadResult, percentile, reads, send, startLoad, until } from './load.ts'
import { theProduction } from './production.ts'

const { production, origin, rate, authorization, docker, prod, ask } = theProduction()
const APIS = ['reference-api', 'parallel-api'] as const

/** Reads of both APIs while something is done to them. */
async function underLoad(action: () => Promise<void>): Promise<LoadResult> {
  const load = startLoad(origin, rate, reads)
  try {
    await sleep(1000)
    await action()
    await sleep(1000)
  } finally {
    await load.stop()
  }
  return load.stop()
}

const tell = ({ sent, failures, latencies }: LoadResult) =>
  `${sent} requests, ${failures.length} failed; p50 ${percentile(latencies, 0.5)} ms, p99 ${percentile(latencies, 0.99)} ms, longest ${percentile(latencies, 1)} ms`

const count = async () =>
  (await Promise.all(APIS.map((api) => production.containers(api)))).map((list) => list.length)

t.test('a killed replica of each API costs no read', async (t) => {
  const result = await underLoad(async () => {
    for (const api of APIS) {
      const [victim] = await production.containers(api)
      await docker(['kill', victim?.id ?? ''])
    }
    await sleep(2000)
  })
  t.comment(tell(result))
  t.same(result.failures, [])
  t.same(await count(), [2, 2])
  t.equal((await prod('scale', '3')).code, 0)
  t.same(await count(), [3, 3])
})

t.test('a replica of each API that hangs costs no read', async (t) => {
  const victims = await Promise.all(APIS.map(async (api) => (await production.containers(api))[0]?.id ?? ''))
  const result = await underLoad(async () => {
    await docker(['pause', ...victims])
    await sleep(5000)
    await docker(['unpause', ...victims])
  })
  t.comment(tell(result))
  t.same(result.failures, [])
})

t.test('a write on a replica that is killed is answered with an error, and never done twice', async (t) => {
  const before = Number(await ask('SELECT max(id) FROM orders'))
  const load = startLoad(origin, Math.min(rate, 60), (index) => ({
    method: 'POST',
    path: '/orders',
    headers: authorization,
    // Each pair of user and product once, so that an order done twice is seen.
    body: { userId: 1 + (index % 10_000), productId: 1 + (Math.floor(index / 10_000) % 1000), quantity: 1 },
  }))
  await sleep(1000)
  for (const victim of (await production.containers('reference-api')).slice(0, 2)) {
    await docker(['kill', victim.id])
    await sleep(1500)
  }
  const { sent, failures } = await load.stop()
  t.comment(`${sent} orders, ${failures.length} answered with an error`)
  for (const { status } of failures) t.ok([502, 504].includes(status), `a clear error, not ${status}`)
  const [made, pairs] = (
    await ask(`SELECT count(*), count(DISTINCT (user_id, product_id)) FROM orders WHERE id > ${before}`)
  ).split('|')
  t.equal(made, pairs, 'no order twice')
  t.ok(Number(made) >= sent - failures.length && Number(made) <= sent, 'what was acknowledged is there')
  t.equal((await prod('scale', '3')).code, 0)
})

t.test('scaling from 3 to 5 to 2 costs no request', async (t) => {
  const result = await underLoad(async () => {
    t.equal((await prod('scale', '5')).code, 0)
    t.same(await count(), [5, 5])
    t.equal((await prod('scale', '2')).code, 0)
    t.same(await count(), [2, 2])
  })
  t.comment(tell(result))
  t.same(result.failures, [])
  t.equal((await prod('scale', '3')).code, 0)
})

t.test('a deploy costs no request', async (t) => {
  const tag = `${production.project}-next`
  for (const api of APIS) await docker(['tag', `${api}:local`, `${api}:${tag}`])
  const result = await underLoad(async () => {
    const { code, output } = await prod('deploy', '--tag', tag)
    t.equal(code, 0, output.slice(-2000))
  })
  t.comment(tell(result))
  t.same(result.failures, [])
  t.same(await count(), [3, 3])
  for (const api of APIS) {
    for (const { image } of await production.containers(api)) t.equal(image, `${api}:${tag}`)
  }
})

t.test('a deploy of a release that does not start goes back by itself and costs no request', async (t) => {
  const tag = `${production.project}-broken`
  for (const api of APIS) {
    await docker(['build', '--quiet', '--tag', `${api}:${tag}`, '-'], {
      input: `FROM ${api}:local\nCMD ["node", "-e", "process.exit(1)"]\n`,
    })
  }
  const before = await everything()
  const result = await underLoad(async () => {
    const { code, output } = await prod('deploy', '--tag', tag)
    t.equal(code, 1)
    t.match(output, 'the release before it is')
  })
  t.comment(tell(result))
  t.same(result.failures, [])
  t.ok(await until(async () => (await send(origin, { path: '/health' })).status === 200, 5000))
  t.same(await everything(), before, 'the same containers as before')
})

/** Those that do not run, too: nothing may be left of a release that went back. */
function everything() {
  return Promise.all(APIS.map((api) => production.containers(api, { all: true })))
}
