import { setTimeout as delay } from 'node:timers/promises'
import { KINDS } from '@reference/tools/recorded-faults'
import { type Cell, type Expected, restart } from './cell.ts'
import { type FaultStack, HOSTS } from './stack.ts'

const others = KINDS.filter((kind) => kind !== 'job')

const cell = (fault: string, holdMs: number, cause: Cell['cause'], expected: Expected): Cell => ({
  system: 'queue',
  fault,
  holdMs,
  cause,
  expected,
})

async function lockJobs({ sql }: FaultStack) {
  const over = Promise.withResolvers<void>()
  const locked = Promise.withResolvers<void>()
  const held = sql.begin(async (tx) => {
    await tx`lock table pgboss.job in access exclusive mode`
    locked.resolve()
    await over.promise
  })
  await locked.promise
  return async () => {
    over.resolve()
    await held
  }
}

async function endQueueConnections({ sql }: FaultStack) {
  let isOver = false
  const storm = (async () => {
    while (!isOver) {
      await sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name like '%-jobs'`
      await delay(100)
    }
  })()
  return async () => {
    isOver = true
    await storm
  }
}

export const queueCells: readonly Cell[] = [
  cell(
    'the worker dies (SIGKILL)',
    2_000,
    async ({ worker }) => {
      await worker.kill()
      return () => worker.start()
    },
    { unaffected: KINDS },
  ),
  cell(
    'the worker stands still (SIGSTOP)',
    5_000,
    async ({ worker }) => {
      worker.child.kill('SIGSTOP')
      return () => worker.child.kill('SIGCONT')
    },
    { unaffected: KINDS },
  ),
  cell(
    'the worker dies of an exception',
    2_000,
    async ({ worker }) => {
      worker.order({ hosts: HOSTS, act: 'throw' }, true)
      await worker.ended()
      return () => restart(worker)
    },
    { unaffected: KINDS },
  ),
  cell('its tables are locked', 6_000, lockJobs, {
    unaffected: others,
    replyMs: 12_000,
  }),
  cell('its connections are ended, ten times a second', 4_000, endQueueConnections, { unaffected: others }),
]
