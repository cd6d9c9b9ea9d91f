import { getEventListeners } from 'node:events'
import t from 'tap'
import { pendingTimers } from './testing/timers.ts'
import { until } from './until.ts'

t.test('gives the first value that is neither undefined nor false', async (t) => {
  const values = [undefined, false, 'found', 'later']
  t.equal(await until('a value', () => values.shift() as string | false | undefined), 'found')
  t.equal(await until('zero', () => 0), 0)
  t.equal(await until('a promise', async () => ''), '')
})

t.test('fails after its limit with the name of the condition', async (t) => {
  await t.rejects(
    until('the queue is empty', () => false, { timeoutMs: 20 }),
    { code: 'WAIT_TIMED_OUT', message: 'not within 20 ms: the queue is empty' },
  )
})

t.test('a check that hangs counts against the limit, and its signal aborts', async (t) => {
  let signal: AbortSignal | undefined
  const hanging = (given: AbortSignal) => {
    signal = given
    return new Promise<boolean>(() => {})
  }
  await t.rejects(until('an answer', hanging, { timeoutMs: 20 }), { code: 'WAIT_TIMED_OUT' })
  t.equal(signal?.aborted, true)
})

t.test('an error of the condition ends the wait, unless errors are retried', async (t) => {
  let checks = 0
  const failingOnce = async () => {
    if (++checks === 1) throw new Error('refused')
    return checks
  }
  await t.rejects(until('an answer', failingOnce), { message: 'refused' })
  checks = 0
  t.equal(await until('an answer', failingOnce, { retryErrors: true }), 2)
  const failing = () => {
    throw new Error('refused')
  }
  await t.rejects(until('an answer', failing, { retryErrors: true, timeoutMs: 20 }), {
    code: 'WAIT_TIMED_OUT',
    cause: { message: 'refused' },
  })
})

t.test('an abort ends the wait with its reason', async (t) => {
  const caller = new AbortController()
  const waiting = until('nothing', () => false, { signal: caller.signal })
  caller.abort(new Error('interrupted'))
  await t.rejects(waiting, { message: 'interrupted' })
})

t.test('leaves no timer and no listener', async (t) => {
  const { signal } = new AbortController()
  const before = pendingTimers()
  await until('it holds', () => true, { signal })
  await t.rejects(until('it holds', () => Promise.reject(new Error('no')), { signal }))
  t.equal(pendingTimers(), before)
  t.equal(getEventListeners(signal, 'abort').length, 0)
})
