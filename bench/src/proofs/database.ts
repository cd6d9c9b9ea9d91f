import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import { type Counters, readCounters } from '../stack/counters.ts'
import { type BenchStack, databaseName } from '../stack/stack.ts'
import { type Proof, prove, sendRequest, type Target } from './proof.ts'

/**
 * Statements per request over a slice of the load. The tolerance is a twentieth for background polls, and 60 statements in all:
 * new connections load types, and the last requests of a load are counted without a reply.
 */
export function statementsPerRequest(expected: number): Proof {
  return ({ load, costs }) => {
    const tolerance = 0.05 + 0.05 * expected + 60 / load.answered
    prove(
      Math.abs(load.statements - expected) <= tolerance,
      `expected ${expected} SQL statements a request, counted ${load.statements.toFixed(3)} under load`,
    )
    return `${load.statements.toFixed(2)} SQL statements a request under load, ${costs.statements} in the counted requests`
  }
}

/** Requests share statements: fewer than this number a request over a slice of the load. */
export function statementsBelow(limit: number): Proof {
  return ({ load }) => {
    const fact = `${load.statements.toFixed(2)} SQL statements a request under load`
    prove(load.statements < limit, `expected fewer than ${limit}: ${fact}`)
    return fact
  }
}

/**
 * A request alone takes this number of statements, as counted with requests one after the other; a request under load takes no
 * more, and may share them with others.
 */
export function statementsAtMost(expected: number): Proof {
  return ({ load, costs }) => {
    const fact = `${load.statements.toFixed(2)} SQL statements a request under load, ${costs.statements} in the counted requests`
    prove(costs.statements === expected, `expected ${expected} for a request alone: ${fact}`)
    const tolerance = 0.05 + 0.05 * expected + 60 / load.answered
    prove(load.statements <= expected + tolerance, `expected at most ${expected}: ${fact}`)
    return fact
  }
}

/**
 * Concurrent reads of single rows share statements, or each is a statement of its own. A request alone takes one statement either
 * way.
 */
export function batchesStatements(expected: boolean): Proof {
  return async (observed, target) => {
    if (!expected) return statementsPerRequest(1)(observed, target)
    const fact = await statementsAtMost(1)(observed, target)
    prove(observed.load.statements < 0.9, `expected shared statements: ${fact}`)
    return fact
  }
}

/**
 * Requests send commands to Redis, or none. Requests may share a command, so the share of one may be small. On a starved
 * machine the tracking link misses its proof of life now and then, and some reads of tier 1 ask tier 2: a tenth still shows
 * that tier 1 answers.
 */
export function usesRedis(expected: boolean): Proof {
  return ({ load }) => {
    const fact = `${load.commands.toFixed(2)} Redis commands a request under load`
    prove(
      expected ? load.commands > 0.01 : load.commands < 0.1 + 20 / load.answered,
      `expected ${expected ? 'commands to Redis' : 'no commands to Redis'}: ${fact}`,
    )
    return fact
  }
}

/** Commands of concurrent requests reach Redis in one write, or one by one: the number of its socket reads. */
export function pipelinesCommands(expected: boolean): Proof {
  return ({ loadReadsPerRequest: reads }) => {
    const fact = `Redis read from its sockets ${reads.toFixed(2)} times a request`
    prove(expected ? reads < 0.5 : reads > 0.5, fact)
    return fact
  }
}

/** The service has at most this number of sessions under load. */
export function holdsSessions(maximum: number): Proof {
  return ({ sessions }) => {
    prove(sessions <= maximum, `expected at most ${maximum} sessions of the service, found ${sessions}`)
    return `${sessions} sessions of the service under load`
  }
}

/** A write inserts its keys into the outbox, or not. */
export function writesOutbox(expected: boolean): Proof {
  return ({ costs }) => {
    const statements = Object.keys(costs.statementsByText)
    const found = statements.some((text) => /insert into "?(public"?\."?)?cache_outbox/i.test(text))
    const fact = found ? 'the write records its invalidation in cache_outbox' : 'no write to cache_outbox'
    prove(expected === found, `${fact}: ${statements.join('; ').slice(0, 400)}`)
    return fact
  }
}

/** The database has these indexes, or lacks them. */
export function hasIndexes(names: readonly string[], expected: boolean): Proof {
  return async (_observed, { databaseUrl }) => {
    const sql = postgres(databaseUrl, { max: 1, onnotice: () => {} })
    try {
      const rows = await sql<{ indexname: string }[]>`
        SELECT indexname FROM pg_indexes WHERE schemaname = 'public'`
      const existing = new Set(rows.map(({ indexname }) => indexname))
      const wrong = names.filter((name) => existing.has(name) !== expected)
      prove(wrong.length === 0, `${expected ? 'missing' : 'still present'}: ${wrong.join(', ')}`)
      return `${expected ? 'has' : 'lacks'} ${names.join(', ')}`
    } finally {
      await sql.end({ timeout: 1 })
    }
  }
}

/** Statements are prepared once, or planned at each execution: Postgres counts plans during the proof. */
export function preparesStatements(expected: boolean): Proof {
  return async (_observed, target) => {
    const { stack, databaseUrl } = target
    const times = 40
    await trackPlanning(stack, true)
    try {
      const before = await readCounters(stack, databaseUrl)
      for (let i = 0; i < times; i++) await sendRequest(target)
      const after = await readCounters(stack, databaseUrl)
      const planned = plannedShare(before, after, times / 2)
      prove(planned !== undefined, 'no statement ran while plans were counted')
      const fact = `${(planned * 100).toFixed(0)} % of the statements were planned`
      prove(expected ? planned < 0.5 : planned > 0.9, fact)
      return fact
    } finally {
      await trackPlanning(stack, false)
    }
  }
}

/** Share of executions that were planned, over statements with at least `minimumCalls`; undefined without any. */
function plannedShare(before: Counters, after: Counters, minimumCalls: number): number | undefined {
  const differences = [...after.statements].map(([text, { calls, plans }]) => {
    const earlier = before.statements.get(text) ?? { calls: 0, plans: 0 }
    return { calls: calls - earlier.calls, plans: plans - earlier.plans }
  })
  const counted = differences.filter(({ calls }) => calls >= minimumCalls)
  const calls = counted.reduce((sum, difference) => sum + difference.calls, 0)
  return calls === 0 ? undefined : counted.reduce((sum, { plans }) => sum + plans, 0) / calls
}

async function trackPlanning({ admin }: BenchStack, on: boolean): Promise<void> {
  const setting = 'pg_stat_statements.track_planning'
  await admin.unsafe(on ? `ALTER SYSTEM SET ${setting} = on` : `ALTER SYSTEM RESET ${setting}`)
  await admin`SELECT pg_reload_conf()`
  // The postmaster signals the sessions, which read the file before their next statement.
  await sleep(100)
}

/**
 * Number of queries of one request that run concurrently: three tables are locked, one request is sent, and the sessions
 * that wait for a lock are counted.
 */
export function queriesAtOnce(expected: number): Proof {
  return async (_observed, target) => {
    const { waiting, reply } = await withTablesLocked(target.databaseUrl, async () => {
      const reply = sendRequest(target)
      reply.catch(() => {})
      return { waiting: await countWaitingSessions(target), reply }
    })
    await reply.catch(() => {})
    prove(waiting === expected, `expected ${expected} concurrent queries, found ${waiting}`)
    return `${waiting} concurrent ${waiting === 1 ? 'query' : 'queries'} while the tables were locked`
  }
}

/** The highest number of sessions that wait for a lock, once it has not changed for ten readings. */
async function countWaitingSessions({ stack, databaseUrl }: Target): Promise<number> {
  const name = databaseName(databaseUrl)
  let highest = 0
  let unchanged = 0
  for (let i = 0; i < 100 && (highest === 0 || unchanged < 10); i++) {
    const [{ waiting } = { waiting: 0 }] = await stack.admin<{ waiting: number }[]>`
      SELECT count(*)::int AS waiting FROM pg_stat_activity WHERE datname = ${name} AND wait_event_type = 'Lock'`
    unchanged = waiting === highest ? unchanged + 1 : 0
    highest = Math.max(highest, waiting)
    await sleep(10)
  }
  return highest
}

async function withTablesLocked<T>(databaseUrl: string, use: () => Promise<T>): Promise<T> {
  const connection = { application_name: 'bench-proof' }
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => {}, connection })
  try {
    const session = await sql.reserve()
    try {
      await session`BEGIN`
      await session`LOCK TABLE users, orders, products IN ACCESS EXCLUSIVE MODE`
      return await use()
    } finally {
      await session`ROLLBACK`
      session.release()
    }
  } finally {
    await sql.end({ timeout: 1 })
  }
}
