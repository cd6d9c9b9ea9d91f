import { AsyncLocalStorage } from 'node:async_hooks'
import { getEventListeners } from 'node:events'
import t from 'tap'
import { createAbortScope } from './abort-scope.ts'
import { Batcher, type BatcherOptions } from './batcher.ts'
import { until } from './until.ts'

interface Item {
  readonly key: number
}

const itemsOf = (keys: readonly number[]): Item[] => keys.map((key) => ({ key }))

/** A batcher whose loads end when the test lets them. */
function heldBatcher(options: Partial<BatcherOptions<number, Item>> = {}) {
  const loads: {
    readonly keys: readonly number[]
    readonly signal: AbortSignal
    readonly end: PromiseWithResolvers<readonly Item[]>
  }[] = []
  const batcher = new Batcher<number, Item>({
    load(keys, signal) {
      const end = Promise.withResolvers<readonly Item[]>()
      loads.push({ keys, signal, end })
      return end.promise
    },
    keyOf: ({ key }) => key,
    maxKeys: 3,
    maxInFlight: 2,
    timeoutMs: 60_000,
    timeoutError: () => new Error('waited too long'),
    isErrorOfKey: () => false,
    ...options,
  })
  const keysOfLoads = () => loads.map(({ keys }) => keys)
  const endAll = () => {
    for (const { keys, end } of loads) end.resolve(itemsOf(keys))
  }
  return { batcher, loads, keysOfLoads, endAll }
}

const turn = () => new Promise(setImmediate)

t.test('keys of one turn are loaded together, each once, and every caller gets its own item', async (t) => {
  const { batcher, keysOfLoads, endAll } = heldBatcher()
  const calls = [7, 8, 7, 9].map((key) => batcher.load(key))
  t.same(keysOfLoads(), [], 'nothing is loaded before the callback ends')
  await turn()
  t.same(keysOfLoads(), [[7, 8, 9]])
  endAll()
  const items = await Promise.all(calls)
  t.same(items, itemsOf([7, 8, 7, 9]))
  t.equal(items[0], items[2])
})

t.test('while a batch is in flight, keys of several callbacks of one turn are loaded together', async (t) => {
  const { batcher, keysOfLoads, endAll } = heldBatcher()
  const calls: Promise<unknown>[] = []
  const call = (key: number) => calls.push(batcher.load(key))
  call(0)
  await Promise.resolve()
  t.same(keysOfLoads(), [[0]], 'a lone call does not wait for the end of the turn')
  process.nextTick(call, 1)
  queueMicrotask(() => call(2))
  call(3)
  await turn()
  t.same(keysOfLoads()[1]?.toSorted(), [1, 2, 3])
  endAll()
  await Promise.all(calls)
})

t.test('a key without an item has none', async (t) => {
  const { batcher, loads } = heldBatcher()
  const calls = [batcher.load(1), batcher.load(2)]
  await turn()
  loads[0]?.end.resolve(itemsOf([2]))
  t.same(await Promise.all(calls), [undefined, { key: 2 }])
})

t.test(
  'at most maxKeys a batch and maxInFlight batches; keys that arrive meanwhile form the next one',
  async (t) => {
    const { batcher, loads, keysOfLoads } = heldBatcher()
    const calls = [1, 2, 3, 4, 5, 6, 7].map((key) => batcher.load(key))
    await turn()
    t.same(keysOfLoads(), [
      [1, 2, 3],
      [4, 5, 6],
    ])
    // In the batch that waits, and not in the one in flight, whose item may be older than this call.
    calls.push(batcher.load(7), batcher.load(1))
    await turn()
    t.equal(loads.length, 2)
    loads[1]?.end.resolve(itemsOf([4, 5, 6]))
    await until('the next batch starts', () => loads.length === 3, { timeoutMs: 10_000 })
    t.same(keysOfLoads()[2], [7, 1])
    for (const { keys, end } of loads) end.resolve(itemsOf(keys))
    t.same(await Promise.all(calls), itemsOf([1, 2, 3, 4, 5, 6, 7, 7, 1]))
  },
)

t.test('an error reaches the callers of its batch and no others', async (t) => {
  const { batcher, loads } = heldBatcher()
  const calls = [1, 2, 3, 4].map((key) => batcher.load(key))
  await turn()
  loads[0]?.end.reject(new Error('lost'))
  loads[1]?.end.resolve(itemsOf([4]))
  const outcomes = await Promise.allSettled(calls)
  t.match(outcomes, [
    ...Array.from({ length: 3 }, () => ({ status: 'rejected', reason: { message: 'lost' } })),
    { status: 'fulfilled', value: { key: 4 } },
  ])
})

t.test('an error that one key causes reaches only the callers of that key', async (t) => {
  const loaded: (readonly number[])[] = []
  const { batcher } = heldBatcher({
    async load(keys) {
      loaded.push(keys)
      if (keys.includes(13)) throw new RangeError('13')
      return itemsOf(keys)
    },
    isErrorOfKey: (error) => error instanceof RangeError,
  })
  const outcomes = await Promise.allSettled([1, 13, 2, 13].map((key) => batcher.load(key)))
  t.match(outcomes, [
    { value: { key: 1 } },
    { reason: { message: '13' } },
    { value: { key: 2 } },
    { reason: { message: '13' } },
  ])
  t.same(loaded, [[1, 13, 2], [1], [13], [2]])
})

t.test('a load that throws at once fails its callers, and the next batch starts', async (t) => {
  let loads = 0
  const { batcher } = heldBatcher({
    maxInFlight: 1,
    load(keys) {
      if (++loads === 1) throw new Error('broken')
      return Promise.resolve(itemsOf(keys))
    },
  })
  await t.rejects(batcher.load(1), { message: 'broken' })
  t.same(await batcher.load(1), { key: 1 })
})

t.test('a caller that leaves does not affect the others of its key and its batch', async (t) => {
  const { batcher, loads, keysOfLoads } = heldBatcher()
  const leaving = new AbortController()
  const staying = new AbortController()
  const left = batcher.load(1, leaving)
  const others = [batcher.load(1, staying), batcher.load(2, staying)]
  const leftLater = batcher.load(3, leaving)
  await turn()
  t.same(keysOfLoads(), [[1, 2, 3]])
  leaving.abort(new Error('gone'))
  t.match(await Promise.allSettled([left, leftLater]), Array(2).fill({ reason: { message: 'gone' } }))
  t.equal(loads[0]?.signal.aborted, false)
  t.equal(getEventListeners(staying.signal, 'abort').length, 2)
  loads[0]?.end.resolve(itemsOf([1, 2, 3]))
  t.same(await Promise.all(others), itemsOf([1, 2]))
  t.same(getEventListeners(staying.signal, 'abort'), [], 'no listener stays')
})

t.test(
  'the batch is aborted when its last caller has left, and never if one of them cannot leave',
  async (t) => {
    const { batcher, loads } = heldBatcher()
    const [first, last] = [new AbortController(), new AbortController()]
    const left = [batcher.load(1, first), batcher.load(2, last)]
    await turn()
    const kept = batcher.load(1)
    left.push(batcher.load(2, last))
    await turn()
    first.abort(new Error('first'))
    await t.rejects(left[0] as Promise<unknown>, { message: 'first' })
    t.equal(loads[0]?.signal.aborted, false)
    const leftLast = Promise.allSettled(left.slice(1))
    last.abort(new Error('last'))
    t.match(await leftLast, Array(2).fill({ reason: { message: 'last' } }))
    t.equal(loads[0]?.signal.aborted, true)
    t.match(loads[0]?.signal.reason, { message: 'last' })
    // This load ignores its signal. The batcher then keeps no timer for it: otherwise this test file would not end.
    t.equal(loads[1]?.signal.aborted, false)
    loads[1]?.end.resolve(itemsOf([1]))
    t.same(await kept, { key: 1 })
  },
)

t.test('a caller that leaves before its batch starts takes its key along', async (t) => {
  const { batcher, loads, keysOfLoads, endAll } = heldBatcher({ maxInFlight: 1 })
  const first = batcher.load(1)
  await turn()
  const leaving = new AbortController()
  const left = Promise.allSettled([2, 3].map((key) => batcher.load(key, leaving)))
  const stayed = batcher.load(2)
  leaving.abort(new Error('gone'))
  t.match(await left, Array(2).fill({ reason: { message: 'gone' } }))
  endAll()
  await first
  await until('the next batch starts', () => loads.length === 2, { timeoutMs: 10_000 })
  t.same(keysOfLoads()[1], [2])
  await t.rejects(batcher.load(4, leaving), { message: 'gone' })
  endAll()
  t.same(await stayed, { key: 2 })
  await turn()
  t.equal(loads.length, 2, 'no batch without callers')
})

t.test('the signal of a call that is answered soon is never read', async (t) => {
  const { batcher } = heldBatcher({ load: async (keys) => itemsOf(keys) })
  const leaving = {
    get signal(): AbortSignal {
      throw new Error('read')
    },
  }
  t.same(await batcher.load(1, leaving), { key: 1 })
})

t.test('each caller has its own deadline', async (t) => {
  const { batcher, loads } = heldBatcher()
  const early = createAbortScope({ timeoutMs: 1 })
  const late = createAbortScope({ timeoutMs: 60_000 })
  t.teardown(() => {
    early.close()
    late.close()
  })
  const calls = [batcher.load(1, early), batcher.load(1, late)]
  await t.rejects(calls[0] as Promise<unknown>, { code: 'DEADLINE_EXCEEDED' })
  await until('the batch has started', () => loads.length === 1, { timeoutMs: 10_000 })
  loads[0]?.end.resolve(itemsOf([1]))
  t.same(await calls[1], { key: 1 })
})

t.test('a caller waits for its batch no longer than the limit', async (t) => {
  const { batcher, loads, endAll } = heldBatcher({ maxInFlight: 1, timeoutMs: 20 })
  const first = batcher.load(1)
  await turn()
  const waiting = [batcher.load(2), batcher.load(3)]
  const outcomes = await Promise.allSettled(waiting)
  t.match(outcomes, Array(2).fill({ reason: { message: 'waited too long' } }))
  t.equal(loads.length, 1)
  const later = batcher.load(4)
  endAll()
  t.same(await first, { key: 1 }, 'a batch in flight has no such limit')
  await until('the next batch starts', () => loads.length === 2, { timeoutMs: 10_000 })
  endAll()
  t.same(await later, { key: 4 })
})

t.test('a batch runs in the asynchronous context of its first caller', async (t) => {
  const request = new AsyncLocalStorage<string>()
  const contexts: (string | undefined)[] = []
  const { batcher } = heldBatcher({
    maxInFlight: 1,
    load: async (keys) => {
      contexts.push(request.getStore())
      return itemsOf(keys)
    },
  })
  const first = request.run('a', () => batcher.load(1))
  await turn()
  const next = [request.run('b', () => batcher.load(2)), request.run('c', () => batcher.load(3))]
  await Promise.all([first, ...next])
  t.same(contexts, ['a', 'b'])
})
