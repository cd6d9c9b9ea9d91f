import { getEventListeners, once } from 'node:events'
import t from 'tap'
import { createSingleFlight } from './single-flight.ts'

const { signal: staying } = new AbortController()

t.test('concurrent calls with the same key share one run', async (t) => {
  const singleFlight = createSingleFlight<number>()
  const gate = Promise.withResolvers<number>()
  let runs = 0
  const work = () => {
    runs++
    return gate.promise
  }
  const calls = [
    singleFlight('a', staying, work),
    singleFlight('a', staying, work),
    singleFlight('b', staying, work),
  ]
  gate.resolve(1)
  t.same(await Promise.all(calls), [1, 1, 1])
  t.equal(runs, 2)
})

t.test('a call after a run starts a new run', async (t) => {
  const singleFlight = createSingleFlight<number>()
  let runs = 0
  const work = async () => ++runs
  t.equal(await singleFlight('a', staying, work), 1)
  t.equal(await singleFlight('a', staying, work), 2)
})

t.test('after close a call starts a new run, and the callers of the closed one keep it', async (t) => {
  const singleFlight = createSingleFlight<number>()
  const gate = Promise.withResolvers<void>()
  let runs = 0
  const work = async (_signal: AbortSignal, close: () => void) => {
    const run = ++runs
    close()
    await gate.promise
    return run
  }
  const first = singleFlight('a', staying, work)
  await new Promise(setImmediate)
  const second = singleFlight('a', staying, work)
  gate.resolve()
  t.same(await Promise.all([first, second]), [1, 2])
})

t.test('a failure reaches every caller and is not kept', async (t) => {
  const singleFlight = createSingleFlight<number>()
  const failing = () => Promise.reject(new Error('no'))
  const calls = [singleFlight('a', staying, failing), singleFlight('a', staying, failing)]
  for (const call of calls) await t.rejects(call, { message: 'no' })
  t.equal(await singleFlight('a', staying, async () => 1), 1)
})

t.test(
  'a caller that leaves does not affect the others; the last one aborts the work and waits for its end',
  async (t) => {
    const singleFlight = createSingleFlight<number>()
    const [first, second] = [new AbortController(), new AbortController()]
    const ended: string[] = []
    const work = async (signal: AbortSignal) => {
      await once(signal, 'abort')
      await new Promise(setImmediate)
      ended.push('work')
      throw signal.reason
    }
    const one = singleFlight('a', first.signal, work)
    const two = singleFlight('a', second.signal, work)
    two.catch(() => ended.push('two'))
    await new Promise(setImmediate)
    first.abort(new Error('first left'))
    await t.rejects(one, { message: 'first left' })
    t.same(ended, [])

    second.abort(new Error('second left'))
    const three = singleFlight('a', staying, async () => 3)
    await t.rejects(two, { message: 'second left' })
    t.same(ended, ['work', 'two'])
    t.equal(await three, 3)
  },
)

t.test('a caller whose signal has already aborted starts nothing', async (t) => {
  const singleFlight = createSingleFlight<number>()
  const work = () => t.fail('started') as never
  await t.rejects(singleFlight('a', AbortSignal.abort(new Error('gone')), work), { message: 'gone' })
})

t.test('leaves no listener on a signal that lives on', async (t) => {
  const { signal } = new AbortController()
  const singleFlight = createSingleFlight<number>()
  await singleFlight('a', signal, async () => 1)
  await t.rejects(singleFlight('a', signal, () => Promise.reject(new Error('no'))))
  t.equal(getEventListeners(signal, 'abort').length, 0)
})
