import type { Observed } from './stack.ts'

/**
 * Not counted: whether requests are quick enough is no news on a machine that the test, the load and others share, and the
 * watchdog always fires.
 */
export const UNCOUNTED = [
  'Watchdog',
  'ErrorBudgetBurnsFast',
  'ErrorBudgetBurnsSlowly',
  'HighLatency',
  'EventLoopBlocked',
]

export interface Fault {
  readonly name: string
  /** Those that must reach the webhook, and end once it is mended. */
  readonly alerts: readonly string[]
  /** What may be told besides: consequences that take their time. */
  readonly alsoAllowed?: readonly string[]
  cause(stack: Observed): Promise<unknown>
  mend(stack: Observed): Promise<unknown>
}

const psql = (stack: Observed, node: string, statement: string) =>
  stack.compose('exec', '-T', node, 'psql', '-U', 'postgres', '-d', 'reference', '-c', statement)

function killed(service: string): Pick<Fault, 'cause' | 'mend'> {
  let start: (() => Promise<unknown>) | undefined
  return {
    async cause(stack) {
      start = await stack.kill(service)
    },
    mend: async () => start?.(),
  }
}

export const FAULTS: readonly Fault[] = [
  {
    name: 'the job handlers are gone',
    alerts: ['JobsWaitTooLong', 'ReplicaDown'],
    alsoAllowed: ['TargetMissing'],
    cause: (stack) => stack.compose('stop', 'worker'),
    mend: (stack) => stack.compose('start', 'worker'),
  },
  {
    name: 'a replica is killed',
    alerts: ['ReplicaDown'],
    ...killed('parallel-api'),
  },
  {
    name: 'a node of Redis is killed',
    alerts: ['RedisDown'],
    ...killed('redis-6'),
  },
  {
    name: 'a node of Redis hangs',
    alerts: ['RedisDown'],
    cause: (stack) => stack.compose('pause', 'redis-5'),
    mend: (stack) => stack.compose('unpause', 'redis-5'),
  },
  {
    name: 'replication is paused',
    alerts: ['ReplicationLag'],
    cause: (stack) => psql(stack, 'postgres-replica', 'SELECT pg_wal_replay_pause()'),
    mend: (stack) => psql(stack, 'postgres-replica', 'SELECT pg_wal_replay_resume()'),
  },
  {
    name: 'a transaction holds the rows that others want',
    alerts: ['SlowStatement'],
    alsoAllowed: ['RequestsRefused', 'PoolSaturated', 'PgBouncerWaiting'],
    cause: (stack) =>
      psql(
        stack,
        'postgres-primary',
        'BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(4); COMMIT; SELECT pg_sleep(1); BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(4); COMMIT;',
      ),
    mend: async () => {},
  },
]
