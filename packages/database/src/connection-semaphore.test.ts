import { mock } from 'node:test'
import t from 'tap'
import { ConnectionSemaphore } from './connection-semaphore.ts'

const options = { name: 'test', connections: 2, depth: 1, spread: 1, timeoutMs: 10_000 }

t.test('requests beyond the slots wait and are served in their order', async (t) => {
  const semaphore = new ConnectionSemaphore(options)
  const held = [await semaphore.acquire('slot'), await semaphore.acquire('slot')]
  const order: number[] = []
  const waiting = [1, 2, 3].map(async (n) => {
    const permit = await semaphore.acquire('slot')
    order.push(n)
    permit.release()
  })
  t.equal(semaphore.tryAcquire('slot'), undefined)
  t.same([semaphore.inUse, semaphore.waiting], [2, 3])
  held[0]?.release()
  await Promise.all(waiting)
  t.same(order, [1, 2, 3])
  t.same([semaphore.inUse, semaphore.waiting], [1, 0])
})

t.test('releasing a permit twice frees one slot', async (t) => {
  const semaphore = new ConnectionSemaphore(options)
  const permit = await semaphore.acquire('slot')
  await semaphore.acquire('slot')
  permit.release()
  permit.release()
  t.equal(semaphore.inUse, 1)
})

t.test('a wait past the limit fails with a 503 and a retry time', async (t) => {
  const semaphore = new ConnectionSemaphore({ ...options, timeoutMs: 5 })
  await semaphore.acquire({ exclusive: 2 })
  await t.rejects(semaphore.acquire('slot'), {
    code: 'DB_POOL_TIMEOUT',
    statusCode: 503,
    retryAfterSeconds: 1,
  })
  t.equal(semaphore.waiting, 0)
})

t.test('an abort ends the wait with its reason and takes no slot', async (t) => {
  const semaphore = new ConnectionSemaphore(options)
  const held = await semaphore.acquire({ exclusive: 2 })
  const leaving = new AbortController()
  const left = semaphore.acquire('slot', { signal: leaving.signal })
  const stayed = semaphore.acquire('slot')
  leaving.abort(new Error('left'))
  await t.rejects(left, { message: 'left' })
  t.equal(semaphore.waiting, 1)
  held.release()
  await stayed
  t.equal(semaphore.inUse, 1)
  await t.rejects(semaphore.acquire('slot', { signal: leaving.signal }), { message: 'left' })
})

t.test('single statements do not overtake a transaction that waits for a whole connection', async (t) => {
  const semaphore = new ConnectionSemaphore({ ...options, connections: 1, depth: 2 })
  const first = await semaphore.acquire('slot')
  const order: string[] = []
  const transaction = semaphore.acquire({ exclusive: 1 }).then((permit) => {
    order.push('transaction')
    return permit
  })
  const small = semaphore.acquire('slot').then(() => order.push('small'))
  first.release()
  const permit = await transaction
  t.same(order, ['transaction'])
  t.equal(semaphore.inUse, 2, 'a whole connection counts as its depth')
  permit.release()
  await small
})

t.test('when the first waiter aborts, the next ones are served', async (t) => {
  const semaphore = new ConnectionSemaphore({ ...options, connections: 2 })
  await semaphore.acquire('slot')
  const leaving = new AbortController()
  const big = semaphore.acquire({ exclusive: 2 }, { signal: leaving.signal })
  const small = semaphore.acquire('slot')
  leaving.abort()
  await t.rejects(big)
  await small
})

t.test('several connections are taken at once or none is', async (t) => {
  const semaphore = new ConnectionSemaphore({ ...options, connections: 3 })
  const two = await semaphore.acquire({ exclusive: 2 })
  const others = semaphore.acquire({ exclusive: 2 })
  t.equal(semaphore.inUse, 2)
  two.release()
  t.equal((await others).connections.length, 2)
  await t.rejects(semaphore.acquire({ exclusive: 4 }), RangeError)
})

t.test('one connection is opened after the other, and requests wait for any', async (t) => {
  const semaphore = new ConnectionSemaphore({ ...options, connections: 3, spread: 3, openIntervalMs: 60_000 })
  const first = await semaphore.acquire('slot')
  const waiting = [1, 2, 3].map(() => semaphore.acquire('slot'))
  t.equal(semaphore.waiting, 3, 'a connection is being opened')
  first.release()
  t.same((await waiting[0])?.connections, [0], 'a connection that became free is used again')
  t.same((await waiting[1])?.connections, [1], 'it is open, so that another one may be opened')
  t.equal(semaphore.waiting, 1)
  semaphore.opened(1)
  t.same((await waiting[2])?.connections, [2])
})

t.test('a connection that takes long to open keeps others waiting for the interval only', async (t) => {
  const semaphore = new ConnectionSemaphore({ ...options, spread: 2, openIntervalMs: 1 })
  t.same((await semaphore.acquire('slot')).connections, [0])
  t.same((await semaphore.acquire('slot')).connections, [1])
})

t.test('a pool that pipelines opens its first connections at once, and further ones in turn', async (t) => {
  const semaphore = new ConnectionSemaphore({
    ...options,
    connections: 4,
    depth: 2,
    spread: 2,
    openIntervalMs: 60_000,
  })
  const taken: (number | undefined)[] = []
  for (let n = 0; n < 4; n++) taken.push((await semaphore.acquire('slot')).connections[0])
  t.same(taken, [0, 1, 0, 1])
  const further = semaphore.acquire('slot')
  t.equal(semaphore.waiting, 1)
  semaphore.opened(0)
  t.equal(semaphore.waiting, 1, 'the second one is still being opened')
  semaphore.opened(1)
  t.same((await further).connections, [2])
})

t.test('a connection that could not be opened makes room for another one', async (t) => {
  const semaphore = new ConnectionSemaphore({ ...options, spread: 2, openIntervalMs: 60_000 })
  const lost = await semaphore.acquire('slot')
  const waiting = semaphore.acquire('slot')
  t.equal(semaphore.waiting, 1)
  semaphore.closed(0)
  t.same((await waiting).connections, [1])
  lost.release()
  const later = semaphore.acquire('slot')
  t.equal(semaphore.waiting, 1, 'the first connection has to be opened again')
  semaphore.opened(1)
  t.same((await later).connections, [0])
})

t.test('a transaction takes an open connection before it opens one', async (t) => {
  const semaphore = new ConnectionSemaphore({ ...options, connections: 3, spread: 3, openIntervalMs: 60_000 })
  const read = await semaphore.acquire('slot')
  semaphore.opened(0)
  read.release()
  t.same((await semaphore.acquire({ exclusive: 1 })).connections, [0])
  t.same((await semaphore.acquire({ exclusive: 2 })).connections, [2, 1], 'several are opened together')
})

t.test(
  'statements fill the first connections before they use more, transactions take the last ones',
  async (t) => {
    const semaphore = new ConnectionSemaphore({ ...options, connections: 4, depth: 2, spread: 2 })
    t.same((await semaphore.acquire({ exclusive: 1 })).connections, [3])
    const taken: (number | undefined)[] = []
    for (let n = 0; n < 6; n++) taken.push((await semaphore.acquire('slot')).connections[0])
    t.same(taken, [0, 1, 0, 1, 2, 2])
  },
)

t.test(
  'a closed semaphore refuses waiters and new requests, and resolves when the last permit is released',
  async (t) => {
    const semaphore = new ConnectionSemaphore({ ...options, connections: 1 })
    const held = await semaphore.acquire('slot')
    const waiting = [semaphore.acquire('slot'), semaphore.acquire('slot')]
    let left = false
    const idle = semaphore.close(new Error('closed')).then(() => {
      left = true
    })
    for (const each of [...waiting, semaphore.acquire('slot')]) await t.rejects(each, { message: 'closed' })
    t.equal(left, false)
    held.release()
    await idle
    t.equal(left, true)
  },
)

t.test('only requests that waited are timed', async (t) => {
  const waits: number[] = []
  const semaphore = new ConnectionSemaphore({
    ...options,
    connections: 1,
    onWaited: (seconds) => waits.push(seconds),
  })
  const first = await semaphore.acquire('slot')
  const second = semaphore.acquire('slot')
  first.release()
  await second
  t.equal(waits.length, 1)
})

t.test('a wait that ends in a refusal is timed, and the refusal is reported', async (t) => {
  const events: string[] = []
  const semaphore = new ConnectionSemaphore({
    ...options,
    connections: 1,
    timeoutMs: 5,
    onWaited: () => events.push('waited'),
    onRefused: (reason) => events.push(reason),
  })
  await semaphore.acquire('slot')
  await t.rejects(semaphore.acquire('slot'))
  t.same(events.splice(0), ['waited', 'timeout'])
  const leaving = new AbortController()
  const left = semaphore.acquire('slot', { signal: leaving.signal })
  leaving.abort(new Error('left'))
  await t.rejects(left)
  t.same(events.splice(0), ['waited'], 'an abort is not a refusal')
  semaphore.close(new Error('closed'))
  await t.rejects(semaphore.acquire('slot'), { message: 'closed' })
  t.same(events, ['closed'])
})

const QUICK = { targetMs: 100, intervalMs: 500 }

/** Runs a test in a time that passes only by `pass`: on a busy machine a queue would be another one. */
async function inVirtualTime(run: (pass: (ms: number) => Promise<void>) => Promise<void>): Promise<void> {
  const { now } = performance
  let time = 0
  performance.now = () => time
  mock.timers.enable({ apis: ['setTimeout'] })
  try {
    await run(async (ms) => {
      for (const end = time + ms; time < end; ) {
        time++
        mock.timers.tick(1)
        await new Promise(setImmediate)
      }
    })
  } finally {
    mock.timers.reset()
    performance.now = now
  }
}

/** Requests that keep their permit for `serviceMs`, and how they ended. */
function serveSlowly(semaphore: ConnectionSemaphore, serviceMs: number) {
  const served: number[] = []
  const refused: string[] = []
  return {
    served,
    refused,
    async request(signal?: AbortSignal) {
      const since = performance.now()
      try {
        const permit = await semaphore.acquire('slot', { signal })
        served.push(performance.now() - since)
        setTimeout(permit.release, serviceMs)
      } catch (error) {
        refused.push((error as { code: string }).code)
      }
    },
  }
}

t.test(
  'in a queue that does not empty, requests are refused in their turn, and the others wait for a short time',
  (t) =>
    inVirtualTime(async (pass) => {
      const reasons: string[] = []
      const semaphore = new ConnectionSemaphore({
        ...options,
        connections: 1,
        ...QUICK,
        onRefused: (reason) => reasons.push(reason),
      })
      const load = serveSlowly(semaphore, 5)
      // Three times as many as are served.
      const sent: Promise<void>[] = []
      for (let ms = 0; ms < 2_000; ms += 5) {
        for (let n = 0; n < 3; n++) sent.push(load.request())
        await pass(5)
      }
      const late = load.served.slice(-50)
      await pass(10_000)
      await Promise.all(sent)
      t.ok(load.served.length > 100, `${load.served.length} served`)
      t.ok(load.refused.length > load.served.length / 2, `${load.refused.length} refused`)
      t.same(new Set(load.refused), new Set(['DB_POOL_TIMEOUT']))
      t.same(new Set(reasons), new Set(['overload']))
      // Without refusals the last ones would wait for more than a second.
      t.ok(Math.max(...late) < 600, `${Math.round(Math.max(...late))} ms`)
    }),
)

t.test('the waiters of a long stall are served when it ends', (t) =>
  inVirtualTime(async (pass) => {
    const semaphore = new ConnectionSemaphore({ ...options, ...QUICK, connections: 1 })
    const held = await semaphore.acquire('slot')
    const load = serveSlowly(semaphore, 1)
    const sent = Array.from({ length: 50 }, () => load.request())
    await pass(800)
    held.release()
    await pass(100)
    await Promise.all(sent)
    t.same([load.served.length, load.refused.length], [50, 0])
  }),
)

t.test('the last waiter of a queue that did not empty is served', (t) =>
  inVirtualTime(async (pass) => {
    const semaphore = new ConnectionSemaphore({ ...options, ...QUICK, connections: 1 })
    const held = await semaphore.acquire('slot')
    const load = serveSlowly(semaphore, 700)
    const sent = Array.from({ length: 5 }, () => load.request())
    await pass(150)
    held.release()
    await pass(3_000)
    await Promise.all(sent)
    t.same([load.served.length, load.refused.length], [2, 3])
  }),
)

t.test('an urgent request is served before all that wait', async (t) => {
  const semaphore = new ConnectionSemaphore({ ...options, connections: 1 })
  const held = await semaphore.acquire({ exclusive: 1 })
  const order: string[] = []
  const use = async (name: string, urgent: boolean) => {
    const permit = await semaphore.acquire('slot', { urgent })
    order.push(name)
    permit.release()
  }
  const all = [use('first', false), use('second', false), use('urgent', true)]
  t.equal(semaphore.waiting, 3)
  held.release()
  await Promise.all(all)
  t.same(order, ['urgent', 'first', 'second'])
})
