import { spawnSync } from 'node:child_process'
import { getEventListeners } from 'node:events'
import t from 'tap'
import { delay } from './delay.ts'
import { pendingTimers } from './testing/timers.ts'

t.test('resolves after the time and releases the signal', async (t) => {
  const { signal } = new AbortController()
  const began = performance.now()
  await delay(20, { signal })
  t.ok(performance.now() - began >= 19)
  t.equal(getEventListeners(signal, 'abort').length, 0)
})

t.test('an abort ends it with the signal’s reason and without a timer', async (t) => {
  const before = pendingTimers()
  const caller = new AbortController()
  const waiting = delay(60_000, { signal: caller.signal })
  caller.abort(new Error('left'))
  await t.rejects(waiting, { message: 'left' })
  await t.rejects(delay(60_000, { signal: caller.signal }), { message: 'left' })
  t.equal(pendingTimers(), before)
})

t.test('with ref off the process may end before', async (t) => {
  const script = `import { delay } from ${JSON.stringify(new URL('./delay.ts', import.meta.url).href)}
    delay(600_000, { ref: false })`
  const { status } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
    timeout: 60_000,
  })
  t.equal(status, 0)
})
