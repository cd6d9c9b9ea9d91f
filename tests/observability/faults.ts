import { until } from '@reference/async'
import type { Observed } from './stack.ts'

/** An alert as the webhook has to receive it. */
export interface ExpectedAlert {
  readonly name: string
  /** The labels that identify the broken part. */
  readonly labels?: Record<string, string>
  readonly summary?: RegExp
}

export interface Fault {
  readonly name: string
  /** Alerts that must reach the webhook, and be resolved after the end of the fault. */
  readonly alerts: readonly ExpectedAlert[]
  /** Further alerts that are correct consequences of the fault. */
  readonly alsoAllowed?: readonly string[]
  /** @returns a function that ends the fault */
  cause(stack: Observed): Promise<() => Promise<unknown>>
}

/**
 * Alerts that do not count unless the fault is about them: requests may be slow on a machine that the test, the load and other
 * programs share. The watchdog always fires.
 */
export const UNCOUNTED = [
  'Watchdog',
  'ErrorBudgetBurnsFast',
  'ErrorBudgetBurnsSlowly',
  'HighLatency',
  'EventLoopBlocked',
]

/** Caused one at a time, in this order. */
export const FAULTS: readonly Fault[] = [
  {
    name: 'a query is slow, because another session holds its lock',
    alerts: [{ name: 'SlowStatement', labels: { service: 'reference-api' } }],
    cause: async (stack) => {
      const session = psql(stack, 'postgres-primary')
      const pulse = () =>
        session.stdin.write(
          'BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(1.2); COMMIT; SELECT pg_sleep(0.2);\n',
        )
      pulse()
      const timer = setInterval(pulse, 1_500)
      return () => {
        clearInterval(timer)
        return session.end()
      }
    },
  },
  {
    name: 'an event loop is blocked',
    alerts: [{ name: 'EventLoopBlocked', labels: { service: 'parallel-api' } }],
    cause: async (stack) => {
      const debuggerOf = stack.open('parallel-api', 'node', '--input-type=module', '-e', BLOCK_LOOP)
      return () => debuggerOf.end()
    },
  },
  {
    name: 'Redis is stopped',
    alerts: [{ name: 'RedisDown' }, { name: 'ServiceDown', labels: { job: 'redis' } }],
    cause: async (stack) => {
      await stack.compose('stop', '--timeout', '1', ...REDIS)
      return () => stack.compose('start', ...REDIS)
    },
  },
  {
    name: 'a replica is killed',
    alerts: [{ name: 'ReplicaDown', labels: { service: 'parallel-api' } }],
    cause: (stack) => stack.kill('parallel-api'),
  },
  {
    name: 'a replica ends repeatedly',
    alerts: [{ name: 'ReplicaRestarts', labels: { service: 'parallel-api' } }],
    // Until the replica has been started and scraped.
    alsoAllowed: ['ReplicaDown'],
    cause: async (stack) => {
      for (let start = 1; start <= 3; start++) {
        await stack.compose('exec', '-T', 'parallel-api', 'node', '--input-type=module', '-e', KILL_NODE)
        await until('a new process is scraped', async () => (await startsSeen(stack)) >= start, {
          timeoutMs: 60_000,
          intervalMs: 1_000,
          retryErrors: true,
        })
      }
      return async () => {}
    },
  },
  // part:jobs
  {
    name: 'a job is stuck: a transaction holds its row',
    alerts: [{ name: 'JobsWaitTooLong', labels: { queue: 'process-data' } }],
    cause: async (stack) => {
      const session = psql(stack, 'postgres-primary')
      session.stdin.write(`SET idle_in_transaction_session_timeout = 0; BEGIN; ${HOLD_A_JOB}\n`)
      return () => session.end()
    },
  },
  // end:jobs
  {
    name: 'replication is paused',
    alerts: [{ name: 'ReplicationLag', labels: { node: 'postgres-replica' } }],
    cause: async (stack) => {
      const replica = (statement: string) =>
        stack.compose('exec', '-T', 'postgres-replica', ...PSQL, '-c', statement)
      await replica('SELECT pg_wal_replay_pause()')
      return () => replica('SELECT pg_wal_replay_resume()')
    },
  },
  {
    name: 'Postgres hangs',
    alerts: [{ name: 'ConnectionsAbandoned', labels: { service: 'reference-api' } }],
    // The exporter hangs as well, expired values are served, and waiting statements count as slow when they complete.
    alsoAllowed: ['TargetMissing', 'PgBouncerWaiting', 'SlowStatement', 'RequestsRefused', 'StaleServed'],
    cause: async (stack) => {
      await stack.compose('pause', 'postgres-primary')
      return () => stack.compose('unpause', 'postgres-primary')
    },
  },
  // part:jobs
  {
    name: 'the job handlers are stopped',
    alerts: [{ name: 'JobsWaitTooLong' }, { name: 'ReplicaDown', labels: { service: 'reference-worker' } }],
    cause: async (stack) => {
      await stack.compose('stop', 'worker')
      return () => stack.compose('start', 'worker')
    },
  },
  // end:jobs
  {
    name: 'a node of Redis is killed',
    alerts: [{ name: 'RedisDown', summary: /do not answer: redis-6$/ }],
    cause: (stack) => stack.kill('redis-6'),
  },
  {
    name: 'a node of Redis hangs',
    alerts: [{ name: 'RedisDown', summary: /do not answer: redis-5$/ }],
    cause: async (stack) => {
      await stack.compose('pause', 'redis-5')
      return () => stack.compose('unpause', 'redis-5')
    },
  },
  {
    name: 'nginx is killed',
    alerts: [{ name: 'LoadBalancerDown' }],
    // parallel-api's calls to the reference-api go through nginx.
    alsoAllowed: ['UpstreamSuspended'],
    cause: (stack) => stack.kill('nginx'),
  },
  {
    name: 'an exporter is killed',
    alerts: [{ name: 'TargetMissing', labels: { job: 'nginx' } }],
    cause: (stack) => stack.kill('nginx-exporter'),
  },
]

const REDIS = [1, 2, 3, 4, 5, 6].map((node) => `redis-${node}`)
const PSQL = ['psql', '-U', 'postgres', '-d', 'reference', '--quiet']

/** A session that runs the statements written to it. */
const psql = (stack: Observed, node: string) => stack.open(node, ...PSQL)

// part:jobs
/** Tries until it has locked a ready job. Workers skip locked rows. */
const HOLD_A_JOB = `DO $$ BEGIN LOOP
  PERFORM FROM pgboss.job WHERE name = 'process-data' AND state = 'created' LIMIT 1 FOR UPDATE SKIP LOCKED;
  EXIT WHEN FOUND; PERFORM pg_sleep(0.01);
END LOOP; END $$;`
// end:jobs

/** Finds the service's process from within its container. The first process is an init. */
const FIND_NODE = `
import { readdirSync, readFileSync } from 'node:fs'
const pid = Number(readdirSync('/proc').find((name) => {
  try { return readFileSync('/proc/' + name + '/cmdline', 'utf8').startsWith('node\\0dist/') } catch { return false }
}))`
const KILL_NODE = `${FIND_NODE}
process.kill(pid, 'SIGKILL')`

async function startsSeen(stack: Observed): Promise<number> {
  const starts = await stack.query('max(changes(process_start_time_seconds{job="parallel-api"}[2m]))')
  return Number(starts[0]?.value[1] ?? 0)
}

/**
 * Runs beside a service in its container. It opens the inspector of the service by SIGUSR1, and blocks the service for 300 of every
 * 400 ms until its own input ends.
 */
const BLOCK_LOOP = `${FIND_NODE}
process.kill(pid, 'SIGUSR1')
let url
while (url === undefined) {
  await new Promise((resolve) => setTimeout(resolve, 100))
  url = await fetch('http://127.0.0.1:9229/json').then((answer) => answer.json(), () => []).then(([target]) => target?.webSocketDebuggerUrl)
}
const socket = new WebSocket(url)
await new Promise((resolve) => { socket.onopen = resolve })
const run = (expression) => socket.send(JSON.stringify({ id: 1, method: 'Runtime.evaluate', params: { expression } }))
const timer = setInterval(run, 400, 'for (const end = Date.now() + 300; Date.now() < end; );')
process.stdin.resume().on('end', () => {
  clearInterval(timer)
  run("process.getBuiltinModule('node:inspector').close()")
  setTimeout(process.exit, 500)
})
`
