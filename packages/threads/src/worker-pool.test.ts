import { readdirSync, readFileSync } from 'node:fs'
import { Registry } from '@prometheus-io/client'
import { createAbortScope, until } from '@reference/async'
import t from 'tap'
import { createWorkerPool, type WorkerPoolOptions } from './worker-pool.ts'

const filename = new URL('./testing/tasks.ts', import.meta.url)

function open(t: { teardown(fn: () => unknown): unknown }, options: Partial<WorkerPoolOptions> = {}) {
  const pool = createWorkerPool({ filename, threads: 1, ...options })
  t.teardown(() => pool.close())
  return pool
}

t.test('a task runs in another thread and returns its result', async (t) => {
  const pool = open(t)
  t.equal(await pool.run('text'), 'text')
  t.not(await pool.run<number>(undefined, { name: 'thread' }), 0)
  t.same(pool.stats(), { threads: 1, running: 0, waiting: 0 })
})

t.test('without threads a task runs on the main thread', async (t) => {
  const pool = open(t, { threads: 0 })
  t.equal(await pool.run('text'), 'text')
  t.equal(await pool.run<number>(undefined, { name: 'thread' }), 0)
  await t.rejects(pool.run('no', { name: 'fail' }), { name: 'RangeError', message: 'no' })
  await t.rejects(pool.run('no', { name: 'absent' }), TypeError)
})

t.test('a transferred buffer is no longer readable for the caller', async (t) => {
  const pool = open(t)
  const buffer = new ArrayBuffer(1024)
  t.equal(await pool.run<number>(buffer, { name: 'bytes', transferList: [buffer] }), 1024)
  t.equal(buffer.byteLength, 0)
})

t.test('an error of a task reaches its caller', async (t) => {
  const pool = open(t)
  await t.rejects(pool.run('no', { name: 'fail' }), { name: 'RangeError', message: 'no' })
})

t.test(
  'with keepIdleMs threads start with a task and end when idle',
  {
    skip: process.platform !== 'linux' && 'counts threads in /proc',
  },
  async (t) => {
    const threads = () => readdirSync('/proc/self/task').length
    // The kernel lists a thread for a moment after its join, so those of earlier tests may still leave: `<=`, not `===`.
    const before = threads()
    const pool = open(t, { keepIdleMs: 200 })
    t.ok(threads() <= before)
    const thread = () => pool.run<number>(undefined, { name: 'thread' })
    let first = await thread()
    // On a busy machine the next task may come too late.
    await until('a thread is kept for the next task', async () => {
      const previous = first
      first = await thread()
      return first === previous
    })
    await until('the thread has ended', () => threads() <= before)
    t.not(await thread(), first)
  },
)

t.test('a full queue refuses with 503 and a retry time', async (t) => {
  const pool = open(t, { maxQueue: 2 })
  const accepted = [1, 2, 3].map(() => pool.run(50, { name: 'spin' }))
  await t.rejects(pool.run(50, { name: 'spin' }), {
    code: 'WORKER_QUEUE_FULL',
    statusCode: 503,
    retryAfterSeconds: 1,
  })
  t.match(pool.stats(), { running: 1, waiting: 2 })
  await Promise.all(accepted)
  t.equal(await pool.run('again'), 'again')
})

t.test('a task past its deadline fails and its thread is replaced', async (t) => {
  const pool = open(t)
  const before = await pool.run<number>(undefined, { name: 'thread' })
  await t.rejects(pool.run(60_000, { name: 'spin', timeoutMs: 100 }), {
    code: 'WORKER_TIMEOUT',
    statusCode: 504,
  })
  t.not(await pool.run<number>(undefined, { name: 'thread' }), before)
})

t.test('a task that is aborted stops, in the queue too', async (t) => {
  const pool = open(t)
  const running = new AbortController()
  const waiting = new AbortController()
  const spinning = pool.run(60_000, { name: 'spin', signal: running.signal })
  const queued = pool.run('text', { signal: waiting.signal })
  await until('one runs, one waits', () => pool.stats().waiting === 1)
  waiting.abort(new Error('gone'))
  await t.rejects(queued, { message: 'gone' })
  running.abort(new Error('gone too'))
  await t.rejects(spinning, { message: 'gone too' })
  t.equal(await pool.run('next'), 'next')
  await t.rejects(pool.run('late', { signal: AbortSignal.abort(new Error('before')) }), { message: 'before' })
})

t.test(
  'a deadline that its caller’s signal has exceeded is an abort, not a timeout of the pool',
  async (t) => {
    const pool = open(t)
    const scope = createAbortScope({ timeoutMs: 50 })
    await t.rejects(pool.run(60_000, { name: 'spin', signal: scope.signal }), { code: 'DEADLINE_EXCEEDED' })
    scope.close()
  },
)

t.test('a thread that exits fails its task with WORKER_CRASHED and is replaced', async (t) => {
  const pool = open(t)
  await t.rejects(pool.run(undefined, { name: 'exit' }), { code: 'WORKER_CRASHED', statusCode: 500 })
  t.equal(await pool.run('next'), 'next')
})

t.test('a thread that runs out of memory fails only its own task', async (t) => {
  const pool = open(t, { maxHeapMb: 16 })
  await t.rejects(pool.run(undefined, { name: 'hoard' }), { code: 'WORKER_CRASHED', statusCode: 500 })
  t.equal(await pool.run('next'), 'next')
})

t.test('queued tasks run after a thread has crashed', async (t) => {
  const pool = open(t)
  const dying = pool.run(undefined, { name: 'exit' })
  const waiting = pool.run('waited')
  await t.rejects(dying, { code: 'WORKER_CRASHED' })
  t.equal(await waiting, 'waited')
})

t.test('close waits for the tasks in the pool and refuses new ones', async (t) => {
  const pool = open(t)
  const running = pool.run<number>(50, { name: 'spin' })
  const closing = pool.close()
  await t.rejects(pool.run('late'), { code: 'WORKER_POOL_CLOSED', statusCode: 503, retryAfterSeconds: 1 })
  t.ok((await running) > 0)
  await closing
})

t.test('a registry shows tasks, durations and refusals', async (t) => {
  const registry = new Registry()
  const pool = open(t, { maxQueue: 0, registry })
  const running = pool.run(20, { name: 'spin' })
  await t.rejects(pool.run('full'), { code: 'WORKER_QUEUE_FULL' })
  await running
  const text = await registry.metrics()
  t.match(text, 'worker_pool_task_duration_seconds_count{outcome="ok"} 1')
  t.match(text, 'worker_pool_rejected_total 1')
  t.match(text, 'worker_pool_threads 1')
})

t.test(
  'only the threads of the pool have a lower priority',
  { skip: process.platform !== 'linux' && 'nice applies to a thread on Linux only' },
  async (t) => {
    const niceOf = (thread: string) => {
      const stat = readFileSync(`/proc/self/task/${thread}/stat`, 'utf8')
      return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16])
    }
    const lowered = () => {
      const own = niceOf(String(process.pid))
      return readdirSync('/proc/self/task').filter((thread) => niceOf(thread) > own).length
    }
    await until('the threads of earlier tests have left the kernel’s list', () => lowered() === 0, {
      retryErrors: true,
    })
    const pool = open(t, { threads: 2 })
    await Promise.all([pool.run(20, { name: 'spin' }), pool.run(20, { name: 'spin' })])
    t.equal(lowered(), 2)
  },
)
