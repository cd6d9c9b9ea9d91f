import { getEventListeners } from 'node:events'
import t from 'tap'
import { createSemaphore } from './semaphore.ts'

const nextTurn = () => new Promise(setImmediate)

t.test(
  'runs as many pieces of work at once as there are permits, the others in the order of their calls',
  async (t) => {
    const semaphore = createSemaphore(2)
    const started: number[] = []
    const ends: (() => void)[] = []
    const work = (name: number) => () => {
      started.push(name)
      return new Promise<void>((resolve) => ends.push(resolve))
    }
    const all = [1, 2, 3, 4].map((name) => semaphore.run(work(name)))
    await nextTurn()
    t.same(started, [1, 2])
    ends[1]?.()
    await nextTurn()
    t.same(started, [1, 2, 3])
    ends[0]?.()
    ends[2]?.()
    await nextTurn()
    t.same(started, [1, 2, 3, 4])
    ends[3]?.()
    await Promise.all(all)
  },
)

t.test('work that fails releases its permit', async (t) => {
  const semaphore = createSemaphore(1)
  await t.rejects(
    semaphore.run(async () => {
      throw new Error('no')
    }),
    { message: 'no' },
  )
  t.equal(await semaphore.run(async () => 1), 1)
})

t.test('a caller that aborts leaves the queue, and its permit goes to the next', async (t) => {
  const semaphore = createSemaphore(1)
  const first = Promise.withResolvers<void>()
  const caller = new AbortController()
  const running = semaphore.run(() => first.promise)
  const leaving = semaphore.run(() => t.fail('ran after its caller had left'), caller.signal)
  const staying = semaphore.run(() => 'staying', new AbortController().signal)
  caller.abort(new Error('left'))
  await t.rejects(leaving, { message: 'left' })
  first.resolve()
  await running
  t.equal(await staying, 'staying')
  await t.rejects(
    semaphore.run(() => t.fail('ran'), caller.signal),
    { message: 'left' },
  )
  t.equal(await semaphore.run(() => 'free'), 'free')
  t.equal(getEventListeners(caller.signal, 'abort').length, 0)
})

t.test('an abort in the same turn as the grant does not lose the permit', async (t) => {
  const semaphore = createSemaphore(1)
  const caller = new AbortController()
  const first = Promise.withResolvers<void>()
  const running = semaphore.run(async () => {
    await first.promise
    // The permit is granted when this function has ended; the abort comes before the next caller resumes.
    queueMicrotask(() => queueMicrotask(() => caller.abort(new Error('left'))))
  })
  const next = semaphore.run(() => 'ran', caller.signal)
  first.resolve()
  await running
  await next.catch(() => {})
  t.equal(await semaphore.run(() => 'free'), 'free')
})
