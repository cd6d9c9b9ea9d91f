import { randomUUID } from 'node:crypto'
import { until } from '@reference/async'
import { createJobs, type Jobs, migrateJobs } from '@reference/jobs'
import { entry, type Ledger, openLedger } from '@reference/jobs/testing'
import t from 'tap'
import { restartablePostgres } from './restartable-postgres.ts'
import { startWorkers } from './workers.ts'

// CI runs a thousand, the nightly run ten thousand: CHAOS_JOBS=10000 pnpm test tests/jobs/chaos --timeout=600
const TOTAL = Number(process.env.CHAOS_JOBS ?? 1_000)
const CALLERS = 8
const WORKERS = 3
const KILLS = Math.min(40, Math.max(10, TOTAL / 250))
/** How long a job may take after the last worker was killed: the promise of 60 s, and the work itself. */
const TAIL_MS = 90_000

t.setTimeout(TOTAL > 1_000 ? 590_000 : 170_000)

t.test(
  'jobs survive killed workers and a crash of Postgres, each with its effect exactly once',
  async (t) => {
    const postgres = await restartablePostgres(t)
    const { databaseUrl } = postgres
    await migrateJobs({ directUrl: databaseUrl })
    const ledger = openLedger(databaseUrl)
    await ledger.create()
    const jobs = createJobs({ databaseUrl, applicationName: 'chaos', definitions: [entry] })
    t.teardown(async () => {
      await jobs.close()
      await ledger.close()
    })
    const workers = await startWorkers(t, databaseUrl, WORKERS)
    const began = performance.now()
    const seconds = () => (performance.now() - began) / 1000

    const kept = new Map<string, number>()
    const rolledBack: string[] = []
    const killedAt = new Map<number, Date>()
    for (let round = 1; round <= KILLS; round++) {
      const begunBefore = await begun(ledger)
      const enqueueing = enqueueUpTo(Math.floor((TOTAL * round) / KILLS), { jobs, ledger, kept, rolledBack })
      await until(
        'the workers have begun jobs of this round',
        async () => (await begun(ledger)) > begunBefore + TOTAL / KILLS / 4,
        { timeoutMs: TAIL_MS },
      )
      const at = new Date()
      killedAt.set(await workers.killOne(), at)
      if (round === Math.floor(KILLS / 2)) await postgres.crash()
      await enqueueing
    }
    await atLeastDone(ledger, TOTAL * 0.95)
    const nearlyAllSeconds = seconds()
    await atLeastDone(ledger, TOTAL)
    await until('every job is settled', () => noneUnsettled(ledger), { timeoutMs: TAIL_MS })
    const allSeconds = seconds()
    t.same(await workers.end(), new Array(WORKERS).fill(0))

    const states = await ledger.query(
      'SELECT name, state::text, count(*)::int AS jobs FROM pgboss.job GROUP BY 1, 2',
    )
    t.same(
      states,
      [{ name: entry.name, state: 'completed', jobs: TOTAL }],
      'none lost, none stuck, none dead',
    )
    const booked = await ledger.query<{ job_id: string; amount: number }>('SELECT job_id, amount FROM ledger')
    t.same(
      new Map(booked.map((row) => [row.job_id, row.amount])),
      kept,
      'row by row: every job, and no other',
    )
    const [balance] = await ledger.query<{ total: number }>('SELECT sum(total)::int AS total FROM balance')
    t.equal(
      balance?.total,
      [...kept.values()].reduce((sum, amount) => sum + amount, 0),
      'no effect came twice',
    )
    t.ok(rolledBack.length > 0)
    for (const id of rolledBack) if (await jobs.get(id)) t.fail(`${id} was rolled back but is stored`)

    const waits = await secondsUntilRunAgain(ledger, killedAt)
    t.ok(waits.length > 0, 'a worker was killed while it held a job')
    const longest = Math.max(...waits)
    t.ok(longest <= 60, `the job of a killed worker ran again after ${longest} s`)
    process.stderr.write(
      `${TOTAL} jobs, ${rolledBack.length} rolled back, ${killedAt.size} workers killed while they held ${waits.length} ` +
        `jobs, Postgres crashed once: 95 % done after ${nearlyAllSeconds.toFixed(1)} s (${Math.round((TOTAL * 0.95) / nearlyAllSeconds)}/s), ` +
        `all after ${allSeconds.toFixed(1)} s; a killed worker's job ran again after ${longest.toFixed(1)} s at most\n`,
    )
  },
)

interface Enqueueing {
  readonly jobs: Jobs
  readonly ledger: Ledger
  readonly kept: Map<string, number>
  readonly rolledBack: string[]
}

/** Every third job is enqueued in a transaction, and after every tenth job another one is rolled back. A call that fails is repeated with its id. */
async function enqueueUpTo(count: number, { jobs, ledger, kept, rolledBack }: Enqueueing): Promise<void> {
  async function caller() {
    while (kept.size < count) {
      const id = randomUUID()
      const amount = kept.size + 1
      kept.set(id, amount)
      await repeatUntilStored(() =>
        amount % 3 === 0
          ? ledger.transaction((tx) => jobs.enqueue(entry, { amount }, { id, tx }))
          : jobs.enqueue(entry, { amount }, { id }),
      )
      if (amount % 10 === 0) rolledBack.push(await enqueueAndRollBack(jobs, ledger))
    }
  }
  await Promise.all(Array.from({ length: CALLERS }, caller))
}

async function enqueueAndRollBack(jobs: Jobs, ledger: Ledger): Promise<string> {
  const id = randomUUID()
  const change = ledger.transaction(async (tx) => {
    await jobs.enqueue(entry, { amount: 1_000_000 }, { id, tx })
    throw new Error('rolled back')
  })
  await change.catch(() => {})
  return id
}

function repeatUntilStored<T>(call: () => Promise<T>): Promise<T> {
  return until('a job is stored', call, { timeoutMs: 30_000, retryErrors: true })
}

function atLeastDone(ledger: Ledger, count: number): Promise<true> {
  return until(`${count} jobs are done`, async () => (await countOf(ledger, 'ledger')) >= count, {
    timeoutMs: TAIL_MS,
  })
}

const begun = (ledger: Ledger) => countOf(ledger, 'attempts')

async function countOf(ledger: Ledger, table: 'ledger' | 'attempts'): Promise<number> {
  const rows = await ledger.query<{ rows: number }>(`SELECT count(*)::int AS rows FROM ${table}`)
  return rows[0]?.rows ?? 0
}

async function noneUnsettled(ledger: Ledger): Promise<boolean> {
  const rows = await ledger.query(
    "SELECT 1 FROM pgboss.job WHERE state NOT IN ('completed', 'failed', 'cancelled') LIMIT 1",
  )
  return rows.length === 0
}

/** The time from the kill of a worker to the next attempt of each job that it held. */
async function secondsUntilRunAgain(ledger: Ledger, killedAt: Map<number, Date>): Promise<number[]> {
  const rows = await ledger.query<{ pid: number; next: Date }>(`
    SELECT first.pid, min(later.began_at) AS next
    FROM attempts AS first JOIN attempts AS later USING (job_id)
    WHERE later.attempt > first.attempt GROUP BY first.pid, first.job_id, first.attempt`)
  return rows.flatMap(({ pid, next }) => {
    const at = killedAt.get(pid)
    return at === undefined ? [] : [(next.getTime() - at.getTime()) / 1000]
  })
}
