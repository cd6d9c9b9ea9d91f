import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { startPostgres } from '@reference/local-stack'
import { drizzle } from 'drizzle-orm/node-postgres'
import pg from 'pg'
import { Type } from 'typebox'
import { createJobs, defineJob, migrateJobs } from '../src/index.ts'

const HELP = `Jobs per second on this machine: enqueued one by one, and completed by a trivial handler.

  pnpm exec node packages/jobs/bench/throughput.ts [--jobs 10000] [--database-url URL]

Without a URL it starts a Postgres of its own with the settings of infra, durable commits included.
`

const { values } = parseArgs({
  options: {
    jobs: { type: 'string', default: '10000' },
    'database-url': { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
if (values.help) {
  process.stdout.write(HELP)
} else {
  await main(Number(values.jobs), values['database-url'])
}

async function main(total: number, givenUrl: string | undefined): Promise<void> {
  const postgres = givenUrl === undefined ? await startPostgres() : undefined
  const url = givenUrl ?? postgres?.databaseUrl ?? ''
  try {
    await migrateJobs({ directUrl: url })
    print(
      `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}, ${total} jobs a row\n`,
    )
    print('| what | jobs/s |\n|---|---|')
    row('a durable commit of one small row, 1 caller: what the disk allows', await commitRate(url, total))
    for (const inFlight of [1, 8, 32]) {
      row(`enqueue, one by one, ${inFlight} callers`, await enqueueRate(url, total, inFlight))
    }
    for (const inFlight of [1, 8]) {
      row(
        `enqueue in a transaction of its own, ${inFlight} callers`,
        await transactionRate(url, total, inFlight),
      )
    }
    for (const [concurrency, batchSize] of [
      [4, 1],
      [10, 1],
      [10, 5],
      [10, 10],
      [50, 50],
    ] as const) {
      const rate = await completeRate(url, total, concurrency, batchSize)
      row(`complete, concurrency ${concurrency}, batchSize ${batchSize}`, rate)
    }
    const both = await bothRate(url, total)
    row('enqueue and complete at once (8 callers, concurrency 10, batchSize 10)', both)
  } finally {
    await postgres?.stop()
  }
}

function trivialJob(name: string) {
  return defineJob({
    name,
    data: Type.Object({ n: Type.Integer() }),
    result: Type.Object({ n: Type.Integer() }),
  })
}

function open(databaseUrl: string, definition: ReturnType<typeof trivialJob>) {
  return createJobs({ databaseUrl, applicationName: 'bench', definitions: [definition] })
}

async function commitRate(databaseUrl: string, total: number): Promise<number> {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 1 })
  await pool.query('CREATE TABLE IF NOT EXISTS committed (n int)')
  const began = performance.now()
  for (let n = 0; n < total; n++) {
    await pool.query({ name: 'commit', text: 'INSERT INTO committed VALUES ($1)', values: [n] })
  }
  const seconds = (performance.now() - began) / 1000
  await pool.end()
  return total / seconds
}

/** BEGIN, the job, COMMIT: as beside a change of the caller's own. */
async function transactionRate(databaseUrl: string, total: number, callers: number): Promise<number> {
  const definition = trivialJob(`transaction-${callers}`)
  const jobs = open(databaseUrl, definition)
  const pool = new pg.Pool({ connectionString: databaseUrl, max: callers })
  const database = drizzle(pool)
  await jobs.enqueue(definition, { n: -1 })
  const seconds = await timed(total, callers, (n) =>
    database.transaction((tx) => jobs.enqueue(definition, { n }, { tx: { drizzle: tx } })),
  )
  await Promise.all([jobs.close(), pool.end()])
  return total / seconds
}

/** Each caller waits for its own job to be stored before the next one: no batch anywhere. */
async function timed(total: number, callers: number, call: (n: number) => Promise<unknown>): Promise<number> {
  const began = performance.now()
  let next = 0
  await Promise.all(
    Array.from({ length: callers }, async () => {
      while (next < total) await call(next++)
    }),
  )
  return (performance.now() - began) / 1000
}

async function enqueueRate(databaseUrl: string, total: number, callers: number): Promise<number> {
  const definition = trivialJob(`enqueue-${callers}`)
  const jobs = open(databaseUrl, definition)
  await jobs.enqueue(definition, { n: -1 })
  const seconds = await timed(total, callers, (n) => jobs.enqueue(definition, { n }))
  await jobs.close()
  return total / seconds
}

async function completeRate(databaseUrl: string, total: number, concurrency: number, batchSize: number) {
  const definition = trivialJob(`complete-${concurrency}-${batchSize}`)
  const jobs = open(databaseUrl, definition)
  await timed(total, 8, (n) => jobs.enqueue(definition, { n }))
  const seconds = await workOff(jobs, definition, total, { concurrency, batchSize })
  return total / seconds
}

async function bothRate(databaseUrl: string, total: number): Promise<number> {
  const definition = trivialJob('both')
  const jobs = open(databaseUrl, definition)
  const working = workOff(jobs, definition, total, { concurrency: 10, batchSize: 10 })
  await timed(total, 8, (n) => jobs.enqueue(definition, { n }))
  return total / (await working)
}

/** Closes `jobs` at the end, so that what the handlers did is settled when the clock stops. */
async function workOff(
  jobs: ReturnType<typeof createJobs>,
  definition: ReturnType<typeof trivialJob>,
  total: number,
  options: { concurrency: number; batchSize: number },
): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<void>()
  let done = 0
  const began = performance.now()
  jobs.work(
    definition,
    ({ data }) => {
      if (++done === total) resolve()
      return data
    },
    options,
  )
  await promise
  await jobs.close()
  return (performance.now() - began) / 1000
}

function row(what: string, rate: number): void {
  print(`| ${what} | ${Math.round(rate).toLocaleString('en')} |`)
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
