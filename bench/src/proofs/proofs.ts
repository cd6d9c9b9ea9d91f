import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import { readCounters } from '../stack/counters.ts'
import { threadsOf } from '../stack/process-stats.ts'
import { databaseName } from '../stack/stack.ts'
import { describe, type Proof, require, type Subject, share } from './proof.ts'

/** All answers said `x-cache: <tier>`; `off` and `miss` are tiers too. */
export function answeredFrom(tier: 'l1' | 'l2' | 'miss' | 'off'): Proof {
  return ({ cache, loadCache }) => {
    const least = Math.min(share(cache, tier), share(loadCache, tier))
    require(Object.keys(cache).length > 0, 'no answer carries x-cache')
    require(least >= 0.98, `x-cache was to be ${tier}: ${describe(cache)}; under load ${describe(loadCache)}`)
    return `x-cache: ${tier} (${describe(cache)})`
  }
}

/**
 * Statements per request, over the whole load: what background polls add must stay below a twentieth. New connections
 * ask for types, and the last callers' requests are counted but not answered: a few dozen statements in all.
 */
export function statementsPerRequest(expected: number): Proof {
  return ({ load, costs }) => {
    const slack = 0.05 + 0.05 * expected + 60 / load.answered
    const fits = Math.abs(load.statements - expected) <= slack
    require(fits, `expected ${expected} SQL statements a request, counted ${load.statements.toFixed(3)} under load`)
    return `${load.statements.toFixed(2)} SQL statements a request under load, ${costs.statements} in the counted ones`
  }
}

/** Whether requests send commands to Redis; many may share one, so that a request's part is small. */
export function usesRedis(uses: boolean): Proof {
  return ({ load }) => {
    const fits = uses ? load.commands > 0.01 : load.commands < 0.01 + 20 / load.answered
    require(fits, `expected ${uses ? 'commands to Redis' : 'none to Redis'}, counted ${load.commands.toFixed(3)} a request`)
    return `${load.commands.toFixed(2)} Redis commands a request under load`
  }
}

/** Every answer came with this `content-encoding`. */
export function encodedAs(encoding: 'gzip' | 'br' | 'zstd' | 'identity'): Proof {
  return ({ encoding: seen }) => {
    require(share(seen, encoding) === 1, `content-encoding was to be ${encoding}: ${describe(seen)}`)
    return `content-encoding: ${encoding}`
  }
}

/**
 * How many of a request's queries are under way at the same time: three tables are locked, one request is sent, and the
 * sessions that wait for a lock are counted.
 */
export function queriesAtOnce(expected: number): Proof {
  return async (_evidence, { stack, origin, path, databaseUrl }) => {
    const name = databaseName(databaseUrl)
    const { seen, answer } = await withTablesLocked(databaseUrl, async () => {
      const answer = fetch(`${origin}${path}`).then((response) => response.arrayBuffer())
      answer.catch(() => {})
      let seen = 0
      let unchanged = 0
      for (let i = 0; i < 100 && (seen === 0 || unchanged < 10); i++) {
        const [{ waiting } = { waiting: 0 }] = await stack.admin<{ waiting: number }[]>`
          SELECT count(*)::int AS waiting FROM pg_stat_activity WHERE datname = ${name} AND wait_event_type = 'Lock'`
        unchanged = waiting === seen ? unchanged + 1 : 0
        seen = Math.max(seen, waiting)
        await sleep(10)
      }
      return { seen, answer }
    })
    await answer.catch(() => {})
    require(seen === expected, `expected ${expected} queries at once, saw ${seen}`)
    return `${seen} ${seen === 1 ? 'query' : 'queries'} at once while the tables were locked`
  }
}

async function withTablesLocked<T>(databaseUrl: string, use: () => Promise<T>): Promise<T> {
  const sql = postgres(databaseUrl, {
    max: 1,
    onnotice: () => {},
    connection: { application_name: 'bench-proof' },
  })
  try {
    const locked = await sql.reserve()
    try {
      await locked`BEGIN`
      await locked`LOCK TABLE users, orders, products IN ACCESS EXCLUSIVE MODE`
      return await use()
    } finally {
      await locked`ROLLBACK`
      locked.release()
    }
  } finally {
    await sql.end({ timeout: 1 })
  }
}

/** Whether CPU work ran on threads of its own: which threads of the process used the processor during one request. */
export function computesOnThreads(expected: boolean): Proof {
  return async (_evidence, { pid, origin, path }) => {
    const before = threadsOf(pid)
    if (before === undefined) return 'threads are not visible on this system'
    await (await fetch(`${origin}${path}`)).arrayBuffer()
    const workers = (threadsOf(pid) ?? []).filter(({ name }) => isWorkerThread(name))
    const busy = workers.filter(({ cpuMs }) => cpuMs > 0).length
    require(expected ===
      busy > 0, `expected ${expected ? 'worker threads' : 'no worker thread'}, found ${busy} at work`)
    return expected ? `${busy} worker thread${busy === 1 ? '' : 's'} at work` : 'no worker thread'
  }
}

/** Node names the threads of `worker_threads`; V8's own are called otherwise. */
function isWorkerThread(name: string): boolean {
  return /^(WorkerThread|node-worker|\[worker)/i.test(name)
}

/** A job's work is done after the reply, or before it: what `GET /jobs/…` says of each right after its reply. */
export function worksInBackground(expected: boolean): Proof {
  return async (_evidence, { origin, request }) => {
    const times = 10
    let done = 0
    for (let i = 0; i < times; i++) {
      const { method = 'GET', headers, body } = request
      const posted = await fetch(`${origin}${request.path}`, {
        method,
        ...(headers && { headers }),
        ...(body !== undefined && { body }),
      })
      await posted.arrayBuffer()
      const job = `${origin}${posted.headers.get('location') ?? '/'}`
      const first = await stateOf(job)
      if (first === 'completed') done++
      for (let turn = 0; turn < 200 && (await stateOf(job)) !== 'completed'; turn++) await sleep(10)
      require((await stateOf(job)) === 'completed', `a job was ${await stateOf(job)} after 2 s`)
    }
    // A quick job may be done by the time it is asked for.
    const fits = expected ? done < times : done === times
    require(fits, `${done} of ${times} jobs were completed when they were answered`)
    return `${done} of ${times} jobs were completed when they were answered, the others soon after`
  }
}

async function stateOf(job: string): Promise<unknown> {
  const body: unknown = await (await fetch(job)).json()
  return typeof body === 'object' && body !== null && 'state' in body ? body.state : undefined
}

/** Statements are planned anew each time, or were prepared once: Postgres counts plans for a moment. */
export function preparesStatements(expected: boolean): Proof {
  return async (_evidence, { stack, origin, path, databaseUrl }) => {
    const times = 40
    await countPlans(stack, true)
    try {
      const before = await readCounters(stack, databaseUrl)
      for (let i = 0; i < times; i++) await (await fetch(`${origin}${path}`)).arrayBuffer()
      const after = await readCounters(stack, databaseUrl)
      let [calls, plans] = [0, 0]
      for (const [text, now] of after.statements) {
        const then = before.statements.get(text) ?? { calls: 0, plans: 0 }
        if (now.calls - then.calls < times / 2) continue
        calls += now.calls - then.calls
        plans += now.plans - then.plans
      }
      require(calls > 0, 'no statement ran while plans were counted')
      const planned = plans / calls
      require(expected
        ? planned < 0.5
        : planned > 0.9, `${(planned * 100).toFixed(0)} % of the statements were planned`)
      return `${(planned * 100).toFixed(0)} % of the statements were planned`
    } finally {
      await countPlans(stack, false)
    }
  }
}

async function countPlans({ admin }: Subject['stack'], on: boolean): Promise<void> {
  await admin.unsafe(
    on
      ? 'ALTER SYSTEM SET pg_stat_statements.track_planning = on'
      : 'ALTER SYSTEM RESET pg_stat_statements.track_planning',
  )
  await admin`SELECT pg_reload_conf()`
  // Sessions read the file when they next run a statement; the postmaster first has to hear of it.
  await sleep(100)
}

/**
 * Statements go through PgBouncer, or not. Drivers send several at once, which PgBouncer counts as one transaction; what
 * it counts one by one is the use of statements that it prepared itself.
 *
 * @param how `prepared`: as statements that PgBouncer keeps prepared; `unprepared`; `direct`: past it
 */
export function throughPgbouncer(how: 'prepared' | 'unprepared' | 'direct'): Proof {
  return ({ companion }, { databaseUrl }) => {
    const { transactions, parsed = 0, bound = 0 } = companion
    if (how === 'direct') {
      require(transactions === undefined, 'PgBouncer is on the way')
      return `straight to Postgres at ${new URL(databaseUrl).host}`
    }
    const seen = `SHOW STATS, a request: ${(transactions ?? 0).toFixed(2)} transactions, ${parsed.toFixed(2)} statements prepared, ${bound.toFixed(2)} used that were prepared`
    const asked = (transactions ?? 0) > 0.02
    require(asked && (how === 'prepared' ? bound > 0.9 && parsed < 0.2 : bound < 0.1), seen)
    return seen
  }
}

/**
 * Requests go through nginx, or not, and nginx keeps its connections to the service, or opens one for each: counted by
 * its stub_status and by the kernel, under load.
 */
export function throughNginx(how: 'kept alive' | 'one each' | 'direct'): Proof {
  return ({ companion, server }) => {
    const through = share(server, 'nginx')
    if (how === 'direct') {
      require(through === 0 && companion.requests === undefined, `answers come from ${describe(server)}`)
      return 'no nginx on the way'
    }
    const { requests = 0, connections } = companion
    require(through === 1, `answers come from ${describe(server)}`)
    require(requests > 0.9, `nginx counted ${requests.toFixed(2)} requests a request`)
    const counted = `nginx counted ${requests.toFixed(2)} requests a request`
    if (connections === undefined) return `${counted}; opened connections are not counted on this system`
    const opened = `${counted}, ${connections.toFixed(3)} connections were opened`
    require(how === 'kept alive' ? connections < 0.2 : connections > 0.9, opened)
    return opened
  }
}

/** The service never had more sessions than its pool allows, and under load used what it allows. */
export function holdsSessions(most: number): Proof {
  return ({ sessions }) => {
    require(sessions <= most, `expected at most ${most} sessions of the service, saw ${sessions}`)
    return `${sessions} sessions of the service under load`
  }
}

/** What many requests want from Redis reaches it together, or one by one: how often it reads from its sockets. */
export function pipelinesCommands(expected: boolean): Proof {
  return ({ loadReadsPerRequest: reads }) => {
    require(expected
      ? reads < 0.5
      : reads > 0.5, `Redis read from its sockets ${reads.toFixed(2)} times a request`)
    return `Redis read from its sockets ${reads.toFixed(2)} times a request`
  }
}

/** Each request opens connections to the upstream, or uses those that are open. */
export function opensConnections(expected: boolean): Proof {
  return ({ connectionsPerRequest: opened }) => {
    if (opened === undefined) return 'opened connections are not counted on this system'
    // The counting client opens none: it keeps its own alive.
    require(expected ? opened >= 1 : opened < 1, `${opened.toFixed(2)} connections opened a request`)
    return `${opened.toFixed(2)} connections opened a request`
  }
}

/** A line is logged for each request, or none. */
export function logsRequests(expected: boolean): Proof {
  return ({ logBytesPerRequest: bytes }) => {
    require(expected ? bytes > 40 : bytes < 40, `${bytes.toFixed(0)} bytes logged a request`)
    return `${bytes.toFixed(0)} bytes logged a request`
  }
}

/** Request durations are counted at `/metrics`, or there is no such page. */
export function exposesMetrics(expected: boolean): Proof {
  return async (_evidence, { origin }) => {
    const response = await fetch(`${origin}/metrics`)
    const counted = (await response.text()).includes('http_request_duration_seconds_count')
    require(expected ===
      counted, `/metrics answers ${response.status} ${counted ? 'with' : 'without'} durations`)
    return counted ? '/metrics counts request durations' : `/metrics answers ${response.status}`
  }
}

/** Writes leave their keys in the outbox, in the statement counts of their own transactions. */
export function writesOutbox(expected: boolean): Proof {
  return ({ costs }) => {
    const statements = Object.keys(costs.statementsByText)
    const found = statements.some((text) => /insert into "?(public"?\."?)?cache_outbox/i.test(text))
    require(expected ===
      found, `cache_outbox was ${found ? '' : 'not '}written: ${statements.join('; ').slice(0, 400)}`)
    return found ? 'the write records its invalidation in cache_outbox' : 'nothing written to cache_outbox'
  }
}

/** Indexes that the database has, or lacks. */
export function hasIndexes(names: readonly string[], expected: boolean): Proof {
  return async (_evidence, { databaseUrl }) => {
    const sql = postgres(databaseUrl, { max: 1, onnotice: () => {} })
    try {
      const rows = await sql<
        { indexname: string }[]
      >`SELECT indexname FROM pg_indexes WHERE schemaname = 'public'`
      const present = new Set(rows.map(({ indexname }) => indexname))
      const wrong = names.filter((name) => present.has(name) !== expected)
      require(wrong.length === 0, `${expected ? 'missing' : 'still there'}: ${wrong.join(', ')}`)
      return `${expected ? 'has' : 'lacks'} ${names.join(', ')}`
    } finally {
      await sql.end({ timeout: 1 })
    }
  }
}

/** For a switch that nothing outside shows: the process itself was started with it. */
export function startedWith(name: string, value: string | undefined): Proof {
  return (_evidence, { pid }) => {
    if (process.platform !== 'linux') return `started with ${name}=${value ?? '(default)'}`
    const variables = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')
    const found = variables.find((variable) => variable.startsWith(`${name}=`))?.slice(name.length + 1)
    require(found ===
      value, `the process has ${name}=${found ?? '(default)'}, expected ${value ?? '(default)'}`)
    return `the process runs with ${name}=${value ?? '(default)'}`
  }
}

/** Requests are answered as they should be: the proof that is never enough alone. */
export function answers(statusCode: number): Proof {
  return ({ status }) => {
    require(share(status, String(statusCode)) === 1, `expected status ${statusCode}: ${describe(status)}`)
    return `status ${statusCode}`
  }
}
