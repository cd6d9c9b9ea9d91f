import { getEventListeners, once } from 'node:events'
import t from 'tap'
import { fetchAll, fetchPartial, type Part, PartFailedError } from './fetch-all.ts'

const now =
  <T>(value: T): Part<T> =>
  async () =>
    value
const failing =
  (message: string): Part<never> =>
  async () => {
    throw new Error(message)
  }

/** A part that ends only when it is aborted, and counts its aborts. */
function endless() {
  const state = { started: 0, aborted: 0 }
  const part: Part<never> = async (signal) => {
    state.started++
    if (!signal.aborted) await once(signal, 'abort')
    state.aborted++
    throw new Error('aborted: the error of some library')
  }
  return Object.assign(part, { state })
}

t.test('returns every result by the name of its part, with its type', async (t) => {
  const { users, total } = await fetchAll({ users: now(['ada']), total: now(3) })
  t.equal(users[0]?.toUpperCase(), 'ADA')
  t.equal(total.toFixed(1), '3.0')
})

t.test('returns the results in the order of the parts, not of their arrival', async (t) => {
  const b = Promise.withResolvers<number>()
  const results = await fetchAll({
    a: async () => {
      await b.promise
      await new Promise(setImmediate)
      return 1
    },
    b: async () => b.resolve(2),
  })
  t.same(Object.keys(results), ['a', 'b'])
})

t.test('starts all parts before it waits for any', async (t) => {
  const started: string[] = []
  const meet = Promise.withResolvers<void>()
  const part = (name: string) => async () => {
    started.push(name)
    if (started.length === 2) meet.resolve()
    await meet.promise
  }
  await fetchAll({ a: part('a'), b: part('b') })
  t.same(started, ['a', 'b'])
})

t.test('with parallel off runs one part after the other', async (t) => {
  let running = 0
  const part = async () => {
    t.equal(++running, 1)
    await new Promise(setImmediate)
    running--
  }
  await fetchAll({ a: part, b: part, c: part }, { parallel: false })
})

t.test('the first failure aborts the others, and all have settled when it is thrown', async (t) => {
  const [orders, products] = [endless(), endless()]
  await t.rejects(fetchAll({ orders, users: failing('no users'), products }), {
    code: 'PART_FAILED',
    statusCode: 502,
    part: 'users',
    cause: { message: 'no users' },
  })
  t.same([orders.state, products.state], Array(2).fill({ started: 1, aborted: 1 }))
})

t.test('in sequence the parts after a failed one do not start', async (t) => {
  const later = endless()
  await t.rejects(fetchAll({ users: failing('no users'), later }, { parallel: false }), {
    code: 'PART_FAILED',
    part: 'users',
  })
  t.equal(later.state.started, 0)
})

t.test('a part past its deadline fails with the deadline in its message', async (t) => {
  const slow = endless()
  await t.rejects(fetchAll({ slow, quick: now(1) }, { partTimeoutMs: 5 }), {
    code: 'PART_TIMED_OUT',
    statusCode: 502,
    part: 'slow',
    message: 'slow took longer than 5 ms',
  })
  t.equal(slow.state.aborted, 1)
})

t.test('the deadline of the whole ends every part', async (t) => {
  const [a, b] = [endless(), endless()]
  await t.rejects(fetchAll({ a, b }, { timeoutMs: 5 }), PartFailedError)
  t.same([a.state.aborted, b.state.aborted], [1, 1])
})

t.test('a caller that aborts ends every part and gets its own reason', async (t) => {
  const [a, b] = [endless(), endless()]
  const client = new AbortController()
  const call = fetchAll({ a, b }, { signal: client.signal })
  client.abort(new Error('client disconnected'))
  await t.rejects(call, { message: 'client disconnected' })
  t.same([a.state.aborted, b.state.aborted], [1, 1])
})

t.test('a caller whose signal has already aborted starts nothing', async (t) => {
  const part = endless()
  await t.rejects(fetchAll({ part }, { signal: AbortSignal.abort(new Error('gone')) }), { message: 'gone' })
  t.equal(part.state.started, 0)
})

t.test('partial returns the results that there are and names the parts that failed', async (t) => {
  const { results, failed } = await fetchPartial(
    { users: now([1]), orders: failing('no orders'), products: endless() },
    { partTimeoutMs: 5 },
  )
  t.same(results, { users: [1] })
  t.match(failed, [
    { part: 'orders', error: { message: 'no orders' } },
    { part: 'products', error: { message: 'took longer than 5 ms' } },
  ])
})

t.test('leaves no listener on a signal that lives on', async (t) => {
  const { signal } = new AbortController()
  await fetchAll({ a: now(1), b: now(2) }, { signal, timeoutMs: 1000, partTimeoutMs: 1000 })
  await fetchPartial({ a: failing('a') }, { signal })
  t.equal(getEventListeners(signal, 'abort').length, 0)
})
