import { getEventListeners } from 'node:events'
import t from 'tap'
import { createSerialSingleFlight, type SerialSingleFlightOptions } from './serial-single-flight.ts'
import { createRandom } from './testing/random.ts'
import { until } from './until.ts'

const { signal: staying } = new AbortController()
const nextTurn = () => new Promise(setImmediate)

/** Numbered runs, each of which ends when the test calls its entry in `ends`. */
function held(options?: SerialSingleFlightOptions) {
  const ends: (() => void)[] = []
  const flight = createSerialSingleFlight<number>(options)
  const work = async (signal: AbortSignal) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const number = ends.push(resolve)
    signal.addEventListener('abort', () => reject(signal.reason))
    await promise
    return number
  }
  const run = (signal?: AbortSignal, key = 'a') => flight(key, signal, work)
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

t.test('a failure reaches exactly the callers of its run, and does not stop the next one', async (t) => {
  const flight = createSerialSingleFlight<number>()
  let runs = 0
  const run = () =>
    flight('a', staying, async () => {
      const number = ++runs
      await nextTurn()
      if (number === 1) throw new Error('no')
      return number
    })
  const failing = [run(), run()]
  await Promise.resolve()
  const [next, other] = [run(), flight('b', staying, async () => 0)]
  for (const call of failing) await t.rejects(call, { message: 'no' })
  t.equal(await next, 2)
  t.equal(await other, 0)
})

t.test('keys do not wait for each other', async (t) => {
  const { run, ends } = held()
  const first = run(staying)
  const other = run(staying, 'b')
  await nextTurn()
  t.equal(ends.length, 2)
  ends[1]?.()
  t.equal(await other, 2)
  ends[0]?.()
  t.equal(await first, 1)
})

t.test('the run of the remaining callers goes on when another one leaves', async (t) => {
  const { run, ends } = held()
  const client = new AbortController()
  const leaving = run(client.signal)
  const remaining = [run(staying), run()]
  await nextTurn()
  client.abort(new Error('left'))
  await t.rejects(leaving, { message: 'left' })
  ends[0]?.()
  t.same(await Promise.all(remaining), [1, 1])
})

t.test('past its longest wait a run begins beside the one that hangs, and delays no later one', async (t) => {
  const { run, ends } = held({ maxWaitMs: 1 })
  const hanging = run(staying)
  await nextTurn()
  const second = run(staying)
  await until('the second has begun', () => ends.length === 2)
  const third = run(staying)
  ends[1]?.()
  t.equal(await second, 2)
  await until('the third has begun', () => ends.length === 3)
  ends[2]?.()
  t.equal(await third, 3)
  ends[0]?.()
  t.equal(await hanging, 1)
})

for (const maxWaitMs of [2, 60_000]) {
  t.test(
    `no caller gets a result that is older than its call, whatever leaves, fails or hangs for ${maxWaitMs} ms`,
    async (t) => {
      const random = createRandom(20_261_129)
      const flight = createSerialSingleFlight<number>({ maxWaitMs })
      const turns = async (most: number) => {
        for (let left = Math.floor(random() * most); left > 0; left--) await nextTurn()
      }
      let written = 0
      let runs = 0
      const read = async () => {
        runs++
        const seen = written
        await turns(random() < 0.05 ? 200 : 8)
        if (random() < 0.1) throw new Error('no')
        return seen
      }
      let answers = 0
      const caller = async () => {
        for (let i = 0; i < 200; i++) {
          await turns(5)
          const acknowledged = random() < 0.3 ? ++written : written
          const client = new AbortController()
          const answer = flight(random() < 0.8 ? 'a' : 'b', client.signal, read)
          if (random() < 0.1) turns(3).then(() => client.abort(new Error('left')))
          const seen = await answer.catch((error: Error) => error.message)
          if (typeof seen === 'string') t.match(seen, /^(no|left)$/)
          else if (seen < acknowledged) t.fail(`read ${seen} after ${acknowledged} was written`)
          else answers++
        }
      }
      await Promise.all(Array.from({ length: 20 }, caller))
      t.ok(answers > 2_000)
      // On a busy machine each run hangs for 2 ms.
      if (maxWaitMs > 2) t.ok(runs < answers / 2, `${runs} runs for ${answers} answers`)
    },
  )
}

t.test('leaves no listener on a signal that lives on', async (t) => {
  const { signal } = new AbortController()
  const flight = createSerialSingleFlight<number>()
  const run = () => flight('a', signal, async () => 1)
  await Promise.all([run(), run()])
  await run()
  t.equal(getEventListeners(signal, 'abort').length, 0)
})
