import { type Observed, until } from './stack.ts'

export interface Told {
  readonly name: string
  /** Of the alert's labels those that say what is broken. */
  readonly labels?: Record<string, string>
  readonly summary?: RegExp
}

export interface Fault {
  readonly name: string
  /** What must reach the webhook, and be told as over once the fault is mended. */
  readonly alerts: readonly Told[]
  /** What may be told besides, and why: consequences that are as true. */
  readonly alsoAllowed?: readonly string[]
  /** @returns what mends it */
  cause(stack: Observed): Promise<() => Promise<unknown>>
}

/**
 * Not counted where it is not what the fault is about: whether requests are quick enough is no news on a machine that the
 * test, the load and others share. The watchdog always fires.
 */
export const UNCOUNTED = [
  'Watchdog',
  'ErrorBudgetBurnsFast',
  'ErrorBudgetBurnsSlowly',
  'HighLatency',
  'EventLoopBlocked',
]

/** One at a time, in this order. */
export const FAULTS: readonly Fault[] = [
  {
    name: 'a query is slow: others hold the lock that it wants',
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
    name: 'Redis is gone',
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
    name: 'a replica ends again and again',
    alerts: [{ name: 'ReplicaRestarts', labels: { service: 'parallel-api' } }],
    // For as long as it takes to be started and scraped.
    alsoAllowed: ['ReplicaDown'],
    cause: async (stack) => {
      for (let start = 1; start <= 3; start++) {
        await stack.compose('exec', '-T', 'parallel-api', 'node', '--input-type=module', '-e', KILL_NODE)
        await until('its new process is seen', async () => (await startsSeen(stack)) >= start, 60_000)
      }
      return async () => {}
    },
  },
  {
    name: 'a job is stuck: a transaction holds its row',
    alerts: [{ name: 'JobsWaitTooLong', labels: { queue: 'process-data' } }],
    cause: async (stack) => {
      const session = psql(stack, 'postgres-primary')
      session.stdin.write(`SET idle_in_transaction_session_timeout = 0; BEGIN; ${HOLD_A_JOB}\n`)
      return () => session.end()
    },
  },
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
    // Its exporter hangs with it, expired values are served, and what waited counts as slow once it is through.
    alsoAllowed: ['TargetMissing', 'PgBouncerWaiting', 'SlowStatement', 'RequestsRefused', 'StaleServed'],
    cause: async (stack) => {
      await stack.compose('pause', 'postgres-primary')
      return () => stack.compose('unpause', 'postgres-primary')
    },
  },
  {
    name: 'the job handlers are gone',
    alerts: [{ name: 'JobsWaitTooLong' }, { name: 'ReplicaDown', labels: { service: 'reference-worker' } }],
    cause: async (stack) => {
      await stack.compose('stop', 'worker')
      return () => stack.compose('start', 'worker')
    },
  },
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
    name: 'nginx is gone',
    alerts: [{ name: 'LoadBalancerDown' }],
    // parallel-api's calls to the reference-api go through nginx.
    alsoAllowed: ['UpstreamSuspended'],
    cause: (stack) => stack.kill('nginx'),
  },
  {
    name: 'an exporter is gone',
    alerts: [{ name: 'TargetMissing', labels: { job: 'nginx' } }],
    cause: (stack) => stack.kill('nginx-exporter'),
  },
]

const REDIS = [1, 2, 3, 4, 5, 6].map((node) => `redis-${node}`)
const PSQL = ['psql', '-U', 'postgres', '-d', 'reference', '--quiet']

/** A session that runs what is written to it. */
const psql = (stack: Observed, node: string) => stack.open(node, ...PSQL)

/** Looks for a job that is ready until it has the lock of one; workers skip locked rows. */
const HOLD_A_JOB = `DO $$ BEGIN LOOP
  PERFORM FROM pgboss.job WHERE name = 'process-data' AND state = 'created' LIMIT 1 FOR UPDATE SKIP LOCKED;
  EXIT WHEN FOUND; PERFORM pg_sleep(0.01);
END LOOP; END $$;`

/** The service's process, seen from within its container: not the first, which is an init. */
const FIND_NODE = `
import { readdirSync, readFileSync } from 'node:fs'
const pid = Number(readdirSync('/proc').find((name) => {
  try { return readFileSync('/proc/' + name + '/cmdline', 'utf8').startsWith('node\\0services/') } catch { return false }
}))`
const KILL_NODE = `${FIND_NODE}
process.kill(pid, 'SIGKILL')`

async function startsSeen(stack: Observed): Promise<number> {
  const starts = await stack.query('max(changes(process_start_time_seconds{job="parallel-api"}[2m]))')
  return Number(starts[0]?.value[1] ?? 0)
}

/**
 * Runs beside a service in its container: opens the inspector of its process, as SIGUSR1 does, and has it compute for 300 ms
 * out of 400 until its own input ends.
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
