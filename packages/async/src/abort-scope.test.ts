import { getEventListeners, once } from 'node:events'
import t from 'tap'
import { createAbortScope } from './abort-scope.ts'
import { pendingTimers } from './testing/timers.ts'

t.test('follows its parent, with the parent’s reason', async (t) => {
  const parent = new AbortController()
  const scope = createAbortScope({ parent: parent.signal })
  t.equal(scope.signal.aborted, false)
  parent.abort(new Error('client disconnected'))
  t.match(scope.signal.reason, { message: 'client disconnected' })
})

t.test('below an aborted parent it is aborted from the start, without a timer', async (t) => {
  const before = pendingTimers()
  const scope = createAbortScope({ parent: AbortSignal.abort(new Error('left')), timeoutMs: 60_000 })
  t.match(scope.signal.reason, { message: 'left' })
  t.equal(pendingTimers(), before)
  scope.close()
})

t.test('aborting it leaves the parent as it is', async (t) => {
  const parent = new AbortController()
  const scope = createAbortScope({ parent: parent.signal })
  scope.abort(new Error('a part failed'))
  t.match(scope.signal.reason, { message: 'a part failed' })
  t.equal(parent.signal.aborted, false)
})

t.test('past its deadline it is aborted with a DeadlineError', async (t) => {
  const scope = createAbortScope({ timeoutMs: 5 })
  await once(scope.signal, 'abort')
  t.match(scope.signal.reason, {
    name: 'DeadlineError',
    code: 'DEADLINE_EXCEEDED',
    statusCode: 504,
    timeoutMs: 5,
    message: 'took longer than 5 ms',
  })
})

t.test('close releases parent and timer without aborting', async (t) => {
  const parent = new AbortController()
  const before = pendingTimers()
  const scope = createAbortScope({ parent: parent.signal, timeoutMs: 60_000 })
  t.equal(pendingTimers(), before + 1)
  scope.close()
  t.equal(pendingTimers(), before)
  t.equal(getEventListeners(parent.signal, 'abort').length, 0)
  parent.abort()
  t.equal(scope.signal.aborted, false)
})

t.test('work that ended while the event loop was blocked past the deadline was in time', async (t) => {
  // An answer that arrives during the pause: read in the same turn of the event loop in which the timer is late.
  const answered = new Promise<boolean>((resolve) => {
    setTimeout(() => setImmediate(() => resolve(scope.signal.aborted)), 10)
  })
  const scope = createAbortScope({ timeoutMs: 20 })
  const end = performance.now() + 40
  while (performance.now() < end);
  t.equal(await answered, false)
  scope.close()
})
