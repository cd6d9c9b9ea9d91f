import type { Observed } from './stack.ts'

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

export const FAULTS: readonly Fault[] = [
  {
    name: 'the job handlers are gone',
    alerts: ['JobsWaitTooLong'],
    alsoAllowed: ['ReplicaDown'],
    cause: (stack) => stack.compose('stop', 'worker'),
    mend: (stack) => stack.compose('start', 'worker'),
  },
  {
    name: 'a replica is killed',
    alerts: ['ReplicaDown'],
    alsoAllowed: ['ErrorBudgetBurnsFast'],
    cause: (stack) => stack.compose('stop', '--timeout', '0', 'parallel-api'),
    mend: (stack) => stack.compose('start', 'parallel-api'),
  },
  {
    name: 'a node of Redis is gone',
    alerts: ['RedisDown'],
    alsoAllowed: ['ErrorBudgetBurnsFast'],
    cause: (stack) => stack.compose('pause', 'redis-6'),
    mend: (stack) => stack.compose('unpause', 'redis-6'),
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
    alsoAllowed: ['ErrorBudgetBurnsFast', 'HighLatency', 'RequestsRefused', 'PoolSaturated'],
    cause: (stack) =>
      psql(
        stack,
        'postgres-primary',
        'BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(4); COMMIT; SELECT pg_sleep(1); BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(4); COMMIT;',
      ),
    mend: async () => {},
  },
]
