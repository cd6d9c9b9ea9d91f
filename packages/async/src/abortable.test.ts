import { getEventListeners } from 'node:events'
import t from 'tap'
import { abortable } from './abortable.ts'

const pending = new Promise<never>(() => {})

t.test('gives the outcome of the promise and releases the signal', async (t) => {
  const { signal } = new AbortController()
  t.equal(await abortable(Promise.resolve(1), signal), 1)
  await t.rejects(abortable(Promise.reject(new Error('no')), signal), { message: 'no' })
  t.equal(getEventListeners(signal, 'abort').length, 0)
  t.equal(await abortable(Promise.resolve(1), undefined), 1)
})

t.test('an abort ends the wait with the signal’s reason', async (t) => {
  const caller = new AbortController()
  const waiting = abortable(pending, caller.signal)
  caller.abort(new Error('left'))
  await t.rejects(waiting, { message: 'left' })
  t.equal(getEventListeners(caller.signal, 'abort').length, 0)
  await t.rejects(abortable(pending, caller.signal), { message: 'left' })
})

t.test('a rejection after the abort is handled', async (t) => {
  const unhandled: unknown[] = []
  const note = (error: unknown) => unhandled.push(error)
  process.on('unhandledRejection', note)
  t.teardown(() => process.off('unhandledRejection', note))
  const caller = new AbortController()
  const work = Promise.withResolvers<never>()
  const waiting = abortable(work.promise, caller.signal)
  caller.abort(new Error('left'))
  await t.rejects(waiting, { message: 'left' })
  work.reject(new Error('too late'))
  await new Promise(setImmediate)
  t.same(unhandled, [])
})
