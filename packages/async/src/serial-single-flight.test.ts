import { getEventListeners } from 'node:events'
import t from 'tap'
import { createSerialSingleFlight } from './serial-single-flight.ts'

const { signal: staying } = new AbortController()
const nextTurn = () => new Promise(setImmediate)

/** Numbered runs, each of which ends when the test calls its entry in `ends`. */
function held() {
  const ends: (() => void)[] = []
  const run = createSerialSingleFlight<number>(async (signal) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const number = ends.push(resolve)
    signal.addEventListener('abort', () => reject(signal.reason))
    await promise
    return number
  })
  return { run, ends }
}

t.test('callers during a run share the next one, which begins after it', async (t) => {
  const { run, ends } = held()
  const first = run(staying)
  await nextTurn()
  const late = [run(staying), run(staying)]
  await nextTurn()
  t.equal(ends.length, 1)
  ends[0]?.()
  t.equal(await first, 1)
  await nextTurn()
  t.equal(ends.length, 2)
  const later = run(staying)
  ends[1]?.()
  t.same(await Promise.all(late), [2, 2])
  await nextTurn()
  ends[2]?.()
  t.equal(await later, 3)
})

t.test('a caller that leaves the queue does not run, and the next run still waits', async (t) => {
  const { run, ends } = held()
  const first = run(staying)
  await nextTurn()
  const client = new AbortController()
  const waiting = run(client.signal)
  await nextTurn()
  client.abort(new Error('left'))
  await t.rejects(waiting, { message: 'left' })
  const next = run(staying)
  await nextTurn()
  t.equal(ends.length, 1)
  ends[0]?.()
  t.equal(await first, 1)
  await nextTurn()
  ends[1]?.()
  t.equal(await next, 2)
})

t.test('a run that fails does not stop the next one', async (t) => {
  let runs = 0
  const run = createSerialSingleFlight<number>(async () => {
    if (++runs === 1) throw new Error('no')
    return runs
  })
  await t.rejects(run(staying), { message: 'no' })
  t.equal(await run(staying), 2)
})

t.test('leaves no listener on a signal that lives on', async (t) => {
  const { signal } = new AbortController()
  const run = createSerialSingleFlight(async () => 1)
  await Promise.all([run(signal), run(signal)])
  await run(signal)
  t.equal(getEventListeners(signal, 'abort').length, 0)
})
