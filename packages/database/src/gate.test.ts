import t from 'tap'
import { createGate } from './gate.ts'

const options = { name: 'test', connections: 2, depth: 1, spread: 1, timeoutMs: 10_000 }

t.test('no more is let through than fits, and the rest in the order in which it came', async (t) => {
  const gate = createGate(options)
  const held = [await gate.take('place'), await gate.take('place')]
  const order: number[] = []
  const waiting = [1, 2, 3].map(async (n) => {
    const grant = await gate.take('place')
    order.push(n)
    grant.release()
  })
  t.equal(gate.tryTake('place'), undefined)
  t.same([gate.inUse(), gate.waiting()], [2, 3])
  held[0]?.release()
  await Promise.all(waiting)
  t.same(order, [1, 2, 3])
  t.same([gate.inUse(), gate.waiting()], [1, 0])
})

t.test('releasing twice frees one place', async (t) => {
  const gate = createGate(options)
  const grant = await gate.take('place')
  await gate.take('place')
  grant.release()
  grant.release()
  t.equal(gate.inUse(), 1)
})

t.test('whoever waits past the limit gets a 503 that says when to come again', async (t) => {
  const gate = createGate({ ...options, timeoutMs: 5 })
  await gate.take({ exclusive: 2 })
  await t.rejects(gate.take('place'), {
    name: 'PoolTimeoutError',
    code: 'DB_POOL_TIMEOUT',
    statusCode: 503,
    retryAfterSeconds: 1,
  })
  t.equal(gate.waiting(), 0)
})

t.test('an abort ends the wait with its reason and takes no place', async (t) => {
  const gate = createGate(options)
  const held = await gate.take({ exclusive: 2 })
  const leaving = new AbortController()
  const left = gate.take('place', leaving.signal)
  const stayed = gate.take('place')
  leaving.abort(new Error('left'))
  await t.rejects(left, { message: 'left' })
  t.equal(gate.waiting(), 1)
  held.release()
  await stayed
  t.equal(gate.inUse(), 1)
  await t.rejects(gate.take('place', leaving.signal), { message: 'left' })
})

t.test('small ones do not pass a transaction that waits for a whole connection', async (t) => {
  const gate = createGate({ ...options, connections: 1, depth: 2 })
  const first = await gate.take('place')
  const order: string[] = []
  const transaction = gate.take({ exclusive: 1 }).then((grant) => {
    order.push('transaction')
    return grant
  })
  const small = gate.take('place').then(() => order.push('small'))
  first.release()
  const grant = await transaction
  t.same(order, ['transaction'])
  t.equal(gate.inUse(), 2, 'a whole connection counts as its depth')
  grant.release()
  await small
})

t.test('when the first in line gives up, those behind it are served', async (t) => {
  const gate = createGate({ ...options, connections: 2 })
  await gate.take('place')
  const leaving = new AbortController()
  const big = gate.take({ exclusive: 2 }, leaving.signal)
  const small = gate.take('place')
  leaving.abort()
  await t.rejects(big)
  await small
})

t.test('several connections are taken at once or not at all', async (t) => {
  const gate = createGate({ ...options, connections: 3 })
  const two = await gate.take({ exclusive: 2 })
  const others = gate.take({ exclusive: 2 })
  t.equal(gate.inUse(), 2)
  two.release()
  t.equal((await others).connections.length, 2)
  await t.rejects(gate.take({ exclusive: 4 }), RangeError)
})

t.test(
  'statements fill the first connections before they open more, transactions take the last',
  async (t) => {
    const gate = createGate({ ...options, connections: 4, depth: 2, spread: 2 })
    t.same((await gate.take({ exclusive: 1 })).connections, [3])
    const taken: (number | undefined)[] = []
    for (let n = 0; n < 6; n++) taken.push((await gate.take('place')).connections[0])
    t.same(taken, [0, 1, 0, 1, 2, 2])
  },
)

t.test('a closed gate refuses those who wait and come, and says when the last has left', async (t) => {
  const gate = createGate({ ...options, connections: 1 })
  const held = await gate.take('place')
  const waiting = [gate.take('place'), gate.take('place')]
  let left = false
  const idle = gate.close(new Error('closed')).then(() => {
    left = true
  })
  for (const each of [...waiting, gate.take('place')]) await t.rejects(each, { message: 'closed' })
  t.equal(left, false)
  held.release()
  await idle
  t.equal(left, true)
})

t.test('only what waited is timed', async (t) => {
  const waits: number[] = []
  const gate = createGate({ ...options, connections: 1, onWaited: (seconds) => waits.push(seconds) })
  const first = await gate.take('place')
  const second = gate.take('place')
  first.release()
  await second
  t.equal(waits.length, 1)
})

t.test('waits that end in a refusal are timed too, and the refusal counted', async (t) => {
  const told: string[] = []
  const gate = createGate({
    ...options,
    connections: 1,
    timeoutMs: 5,
    onWaited: () => told.push('waited'),
    onRefused: (reason) => told.push(reason),
  })
  await gate.take('place')
  await t.rejects(gate.take('place'))
  t.same(told.splice(0), ['waited', 'timeout'])
  const leaving = new AbortController()
  const left = gate.take('place', leaving.signal)
  leaving.abort(new Error('left'))
  await t.rejects(left)
  t.same(told.splice(0), ['waited'], 'whoever leaves was not refused')
  gate.close(new Error('closed'))
  await t.rejects(gate.take('place'), { message: 'closed' })
  t.same(told, ['closed'])
})
