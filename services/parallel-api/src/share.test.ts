import { once } from 'node:events'
import t from 'tap'
import { createShare } from './share.ts'

const { signal: staying } = new AbortController()

t.test('calls with the same key at the same time share one piece of work', async (t) => {
  const share = createShare<number>()
  const gate = Promise.withResolvers<number>()
  let runs = 0
  const work = () => {
    runs++
    return gate.promise
  }
  const calls = [share('a', staying, work), share('a', staying, work), share('b', staying, work)]
  gate.resolve(1)
  t.same(await Promise.all(calls), [1, 1, 1])
  t.equal(runs, 2)
})

t.test('what has ended is not shared: the next call works anew', async (t) => {
  const share = createShare<number>()
  let runs = 0
  const work = async () => ++runs
  t.equal(await share('a', staying, work), 1)
  t.equal(await share('a', staying, work), 2)
})

t.test('after it departed, work takes no more callers', async (t) => {
  const share = createShare<number>()
  const gate = Promise.withResolvers<void>()
  let runs = 0
  const work = async (_signal: AbortSignal, depart: () => void) => {
    const run = ++runs
    depart()
    await gate.promise
    return run
  }
  const first = share('a', staying, work)
  await new Promise(setImmediate)
  const second = share('a', staying, work)
  gate.resolve()
  t.same(await Promise.all([first, second]), [1, 2])
})

t.test('a failure reaches everyone, and is not kept', async (t) => {
  const share = createShare<number>()
  const failing = () => Promise.reject(new Error('no'))
  const calls = [share('a', staying, failing), share('a', staying, failing)]
  for (const call of calls) await t.rejects(call, { message: 'no' })
  t.equal(await share('a', staying, async () => 1), 1)
})

t.test(
  'one that leaves takes nothing from the others; the last aborts the work and waits for its end',
  async (t) => {
    const share = createShare<number>()
    const [first, second] = [new AbortController(), new AbortController()]
    const ended: string[] = []
    const work = async (signal: AbortSignal) => {
      await once(signal, 'abort')
      await new Promise(setImmediate)
      ended.push('work')
      throw signal.reason
    }
    const one = share('a', first.signal, work)
    const two = share('a', second.signal, work)
    two.catch(() => ended.push('two'))
    await new Promise(setImmediate)
    first.abort(new Error('first left'))
    await t.rejects(one, { message: 'first left' })
    t.same(ended, [])

    second.abort(new Error('second left'))
    const three = share('a', staying, async () => 3)
    await t.rejects(two, { message: 'second left' })
    t.same(ended, ['work', 'two'])
    t.equal(await three, 3)
  },
)

t.test('a caller that is already gone starts nothing', async (t) => {
  const share = createShare<number>()
  const work = () => t.fail('started') as never
  await t.rejects(share('a', AbortSignal.abort(new Error('gone')), work), { message: 'gone' })
})
