import { getEventListeners, once } from 'node:events'
import t from 'tap'
import { settlesWithin, withDeadline } from './deadline.ts'
import { pendingTimers } from './testing/timers.ts'

const pending = new Promise<never>(() => {})

t.test('withDeadline gives what the work gives, and leaves no timer and no listener', async (t) => {
  const { signal } = new AbortController()
  const before = pendingTimers()
  t.equal(await withDeadline(async () => 1, { timeoutMs: 60_000, signal }), 1)
  t.equal(await withDeadline(() => 2, { timeoutMs: 60_000, signal }), 2)
  const failing = () => Promise.reject(new Error('no'))
  await t.rejects(withDeadline(failing, { timeoutMs: 60_000, signal }), { message: 'no' })
  const throwing = () => {
    throw new Error('at once')
  }
  await t.rejects(withDeadline(throwing, { timeoutMs: 60_000, signal }), { message: 'at once' })
  t.equal(pendingTimers(), before)
  t.equal(getEventListeners(signal, 'abort').length, 0)
})

t.test('withDeadline ends the wait for work that ignores its signal', async (t) => {
  await t.rejects(
    withDeadline(() => pending, { timeoutMs: 5 }),
    {
      code: 'DEADLINE_EXCEEDED',
      message: 'took longer than 5 ms',
    },
  )
})

t.test('withDeadline aborts the work at the deadline', async (t) => {
  const reasons: unknown[] = []
  const work = async (signal: AbortSignal) => {
    await once(signal, 'abort')
    reasons.push(signal.reason)
  }
  await t.rejects(withDeadline(work, { timeoutMs: 5 }), { code: 'DEADLINE_EXCEEDED' })
  t.match(reasons, [{ code: 'DEADLINE_EXCEEDED' }])
})

t.test('withDeadline ends when its caller aborts, and starts nothing for one that has', async (t) => {
  const caller = new AbortController()
  const call = withDeadline(() => pending, { timeoutMs: 60_000, signal: caller.signal })
  caller.abort(new Error('left'))
  await t.rejects(call, { message: 'left' })
  const started = () => t.fail('started')
  await t.rejects(withDeadline(started, { timeoutMs: 60_000, signal: caller.signal }), { message: 'left' })
})

t.test('settlesWithin says whether the promise was fulfilled in time', async (t) => {
  const before = pendingTimers()
  t.equal(await settlesWithin(Promise.resolve(), 60_000), true)
  await t.rejects(settlesWithin(Promise.reject(new Error('no')), 60_000), { message: 'no' })
  t.equal(pendingTimers(), before)
  const work = Promise.withResolvers<never>()
  t.equal(await settlesWithin(work.promise, 5), false)
  work.reject(new Error('too late'))
  await new Promise(setImmediate)
})
