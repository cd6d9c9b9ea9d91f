import t from 'tap'
import { createTurns } from './turns.ts'

const { signal: staying } = new AbortController()
const turn = () => new Promise(setImmediate)

/** Turns whose runs end when told. */
function held() {
  const ends: (() => void)[] = []
  const turns = createTurns<number>(async (signal) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const run = ends.push(resolve)
    signal.addEventListener('abort', () => reject(signal.reason))
    await promise
    return run
  })
  return { turns, ends }
}

t.test('who comes during a run shares the next one, which begins after it', async (t) => {
  const { turns, ends } = held()
  const first = turns(staying)
  await turn()
  const late = [turns(staying), turns(staying)]
  await turn()
  t.equal(ends.length, 1)
  ends[0]?.()
  t.equal(await first, 1)
  await turn()
  t.equal(ends.length, 2)
  const later = turns(staying)
  ends[1]?.()
  t.same(await Promise.all(late), [2, 2])
  await turn()
  ends[2]?.()
  t.equal(await later, 3)
})

t.test('one that leaves while it waits neither runs nor lets the next run early', async (t) => {
  const { turns, ends } = held()
  const first = turns(staying)
  await turn()
  const client = new AbortController()
  const waiting = turns(client.signal)
  await turn()
  client.abort(new Error('left'))
  await t.rejects(waiting, { message: 'left' })
  const next = turns(staying)
  await turn()
  t.equal(ends.length, 1)
  ends[0]?.()
  t.equal(await first, 1)
  await turn()
  ends[1]?.()
  t.equal(await next, 2)
})

t.test('a run that fails lets the next one begin', async (t) => {
  let runs = 0
  const turns = createTurns<number>(async () => {
    if (++runs === 1) throw new Error('no')
    return runs
  })
  await t.rejects(turns(staying), { message: 'no' })
  t.equal(await turns(staying), 2)
})
