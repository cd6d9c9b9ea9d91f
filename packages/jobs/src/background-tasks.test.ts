import { AsyncLocalStorage } from 'node:async_hooks'
import { until } from '@reference/local-stack'
import { Registry } from 'prom-client'
import t from 'tap'
import { createBackgroundTasks } from './background-tasks.ts'

t.test('a task begins after its caller has gone on', async (t) => {
  const tasks = createBackgroundTasks()
  const order: string[] = []
  tasks.add(() => order.push('task'))
  order.push('reply')
  await tasks.drain()
  t.same(order, ['reply', 'task'])
})

t.test('no more run at once than allowed, and no more wait', async (t) => {
  const tasks = createBackgroundTasks({ maxConcurrent: 2, maxQueue: 1 })
  const { promise: finish, resolve } = Promise.withResolvers<void>()
  for (let n = 0; n < 3; n++) tasks.add(() => finish)
  t.same(tasks.stats(), { running: 2, waiting: 1 })
  t.throws(() => tasks.add(() => {}), {
    code: 'BACKGROUND_QUEUE_FULL',
    statusCode: 503,
    retryAfterSeconds: 1,
  })
  resolve()
  await until('all are done', () => tasks.stats().running === 0)
  tasks.add(() => {})
})

t.test('a task runs in the context of its caller, also when it had to wait for others', async (t) => {
  const caller = new AsyncLocalStorage<string>()
  const seen: (string | undefined)[] = []
  const see = () => seen.push(caller.getStore())
  const tasks = createBackgroundTasks({ maxConcurrent: 1, onError: see })
  const task = () => {
    see()
    throw new Error('and so does what is told of it')
  }
  for (const name of ['first', 'second']) caller.run(name, () => tasks.add(task))
  await tasks.drain()
  t.same(seen, ['first', 'first', 'second', 'second'])
})

t.test('a task that fails is told and stops nobody', async (t) => {
  const faults: unknown[] = []
  const tasks = createBackgroundTasks({ maxConcurrent: 1, onError: (error) => faults.push(error) })
  let ran = false
  tasks.add(() => Promise.reject(new Error('no')))
  tasks.add(() => {
    throw new Error('neither')
  })
  tasks.add(() => {
    ran = true
  })
  await tasks.drain()
  t.match(faults, [{ message: 'no' }, { message: 'neither' }])
  t.equal(ran, true)
})

t.test('drain waits for every task and takes no more', async (t) => {
  const tasks = createBackgroundTasks({ maxConcurrent: 1 })
  let done = 0
  for (let n = 0; n < 5; n++) tasks.add(async () => void done++)
  const draining = tasks.drain()
  t.throws(() => tasks.add(() => {}), { code: 'BACKGROUND_QUEUE_FULL' })
  t.same(await draining, { dropped: 0 })
  t.equal(done, 5)
})

t.test('a drain that is cut short aborts what runs and drops what waits', async (t) => {
  const tasks = createBackgroundTasks({ maxConcurrent: 1 })
  const { promise: aborted, resolve } = Promise.withResolvers<void>()
  tasks.add((signal) => {
    signal.addEventListener('abort', () => resolve())
    return new Promise(() => {})
  })
  tasks.add(() => t.fail('a dropped task ran'))
  const limit = new AbortController()
  const draining = tasks.drain(limit.signal)
  await until('the first runs', () => tasks.stats().running === 1)
  setImmediate(() => limit.abort())
  await aborted
  t.same(await draining, { dropped: 2 })
})

t.test('an offer that cannot be taken is no error', async (t) => {
  const tasks = createBackgroundTasks({ maxConcurrent: 1, maxQueue: 0 })
  const { promise: finish, resolve } = Promise.withResolvers<void>()
  t.equal(
    tasks.offer(() => finish),
    true,
  )
  t.equal(
    tasks.offer(() => t.fail('it ran all the same')),
    false,
  )
  resolve()
  t.same(await tasks.drain(), { dropped: 0 })
  t.equal(
    tasks.offer(() => {}),
    false,
  )
})

t.test('a registry tells what runs and waits, and what became of the rest', async (t) => {
  const registry = new Registry()
  const tasks = createBackgroundTasks({ registry, maxConcurrent: 1, maxQueue: 1 })
  const { promise: finish, resolve } = Promise.withResolvers<void>()
  tasks.add(() => finish)
  tasks.add(() => Promise.reject(new Error('no')))
  tasks.offer(() => {})
  t.match(await registry.metrics(), 'background_tasks{state="running"} 1')
  t.match(await registry.metrics(), 'background_tasks{state="waiting"} 1')
  resolve()
  await tasks.drain()
  const text = await registry.metrics()
  for (const outcome of ['done', 'failed', 'refused']) {
    t.match(text, `background_tasks_total{outcome="${outcome}"} 1`)
  }
})
