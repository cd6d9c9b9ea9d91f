import { setTimeout as delay } from 'node:timers/promises'
import { until } from '@reference/local-stack'
import { KINDS, type RecordedCell } from '@reference/tools/recorded-faults'
import { call, type Reply } from './call.ts'
import { type Counted, type Kind, Ledger, Load } from './load.ts'
import type { Program } from './program.ts'
import type { FaultStack } from './stack.ts'

export type System = 'Postgres' | 'Redis' | 'upstream' | 'queue' | 'process'

export interface Cell {
  readonly system: System
  readonly fault: string
  /** Runs in CI too. */
  readonly isShort?: boolean
  /** How long the fault lasts. */
  readonly holdMs: number
  /** Causes the fault; resolves with a function that ends it. */
  readonly cause: (stack: FaultStack) => Promise<() => unknown>
  /** Makes the stack as it was, when everything has been counted. */
  readonly restore?: (stack: FaultStack) => Promise<void>
  readonly expected?: Expected
}

export interface Expected {
  /** No reply takes longer. Default 8 s. */
  readonly replyMs?: number
  /** Every kind of call succeeds again within this time. Default 10 s. */
  readonly recoveryMs?: number
  /** Kinds of which every call succeeds during the fault as well. */
  readonly unaffected?: readonly Kind[]
  /** The fault ends this process, or stops it: its callers also get errors of the connection. */
  readonly stops?: boolean
  /** Exit code, or the signal, of the API. */
  readonly exit?: number | string
  /** A line of the API's log. */
  readonly logs?: RegExp
  /** A kind of which some call must fail during the fault, so that the fault is known to have arrived. */
  readonly fails?: Kind
}

export interface CellResult extends RecordedCell {
  readonly system: System
  /** What is not as it should be. */
  readonly problems: readonly string[]
}

/** The replies that the documentation names, without those of a success. */
const FAILURES: Readonly<Record<Kind, readonly string[]>> = {
  health: [],
  'cached read': ['503'],
  list: ['503'],
  write: ['503'],
  job: ['503'],
  aggregate: ['502', '503', '504'],
}
const CONNECTION_FAILURES = ['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'no reply']
/** `/health` reads nothing; the machine may stand still for a moment. */
const HEALTH_MS = 5_000
const SERIES = 3
const WARM_UP_MS = 300
/** A transaction whose client vanished inside a statement holds the lock of its key for 20 s (`transaction_timeout`). */
const RETRY_MS = 30_000

export async function runCell(stack: FaultStack, cell: Cell): Promise<CellResult> {
  const name = `${cell.system}-${cell.fault}`.replaceAll(/[^A-Za-z0-9]+/g, '-')
  const ledger = new Ledger(await createUser(stack, name))
  const load = new Load(stack, ledger, name)
  try {
    await until('every kind of call succeeds', () => load.steadySince(SERIES) !== undefined)
    await delay(WARM_UP_MS)
    load.takeCounts()
    const mend = await cell.cause(stack)
    await delay(cell.holdMs)
    const exit = stack.api.isAlive ? null : await stack.api.ended()
    const log = stack.api.log
    await mend()
    const counts = await recover(load, cell)
    await load.stop()
    const problems = [
      ...problemsOf(cell, counts.counts, counts.recoveryMs),
      ...logProblems(cell, log, exit),
      ...load.withoutRetryAfter.map((kind) => `${kind}: a 503 without retry-after`),
      ...(await ledgerProblems(stack, load)),
    ]
    return {
      system: cell.system,
      fault: cell.fault,
      heldMs: cell.holdMs,
      outcomes: Object.fromEntries(KINDS.map((kind) => [kind, counts.counts[kind].outcomes])),
      slowestMs: Object.fromEntries(KINDS.map((kind) => [kind, Math.round(counts.counts[kind].slowestMs)])),
      recoveryMs: Math.round(counts.recoveryMs),
      acknowledged: ledger.acknowledged,
      exit,
      problems: [...new Set(problems)],
    }
  } finally {
    await load.stop()
    await cell.restore?.(stack)
  }
}

/** The owner of the orders of a cell. */
async function createUser({ sql }: FaultStack, name: string): Promise<number> {
  const email = `${name}-${Date.now()}@faults.example`
  const [row] = await sql`insert into users (email, name) values (${email}, 'Ledger') returning id`
  return Number(row?.id)
}

/** Waits until every kind succeeds in a row, and counts what callers got from the beginning of the fault until then. */
async function recover(load: Load, { expected }: Cell) {
  const mendedAt = performance.now()
  load.resetSeries()
  const limitMs = (expected?.recoveryMs ?? 10_000) + 30_000
  await until('every kind of call succeeds again', () => load.steadySince(SERIES) !== undefined, limitMs)
  const recoveryMs = Math.max(0, (load.steadySince(SERIES) ?? 0) - mendedAt)
  return { recoveryMs, counts: load.takeCounts() }
}

function problemsOf({ expected = {} }: Cell, counts: Record<Kind, Counted>, recoveryMs: number): string[] {
  const { replyMs = 8_000, recoveryMs: limitMs = 10_000, unaffected = [], stops = false, fails } = expected
  const problems: string[] = []
  for (const kind of KINDS) {
    const { outcomes, slowestMs } = counts[kind]
    const failures = unaffected.includes(kind) ? [] : FAILURES[kind]
    const allowed = stops ? [...failures, ...CONNECTION_FAILURES] : failures
    for (const outcome of Object.keys(outcomes)) {
      if (!outcome.startsWith('2') && !allowed.includes(outcome)) problems.push(`${kind}: ${outcome}`)
    }
    const boundMs = kind === 'health' && !stops ? HEALTH_MS : replyMs
    if (slowestMs > boundMs) problems.push(`${kind}: a reply after ${Math.round(slowestMs)} ms`)
  }
  if (recoveryMs > limitMs) problems.push(`recovery took ${Math.round(recoveryMs)} ms`)
  if (
    fails !== undefined &&
    Object.keys(counts[fails].outcomes).every((outcome) => outcome.startsWith('2'))
  ) {
    problems.push(`${fails}: no call failed, so the fault did not arrive`)
  }
  return problems
}

function logProblems({ expected = {} }: Cell, log: string, exit: number | string | null): string[] {
  const problems: string[] = []
  if (exit !== (expected.exit ?? null)) problems.push(`the API ended with ${exit}`)
  if (expected.exit === undefined && /uncaught error/.test(log)) problems.push('an uncaught error')
  if (expected.logs !== undefined && !expected.logs.test(log)) problems.push(`no line ${expected.logs}`)
  return problems
}

/** Sends again what was not acknowledged, under its key; then each key has one order or job, and nothing else is there. */
async function ledgerProblems(stack: FaultStack, load: Load): Promise<string[]> {
  const { ledger } = load
  const problems: string[] = []
  for (const [key, id] of ledger.orders) if (id === undefined) await retried(() => load.sendOrder(key))
  for (const [key, id] of ledger.jobs) if (id === undefined) await retried(() => load.sendJob(key)) // part:jobs
  const rows = await stack.sql<{ id: number }[]>`select id from orders where user_id = ${ledger.userId}`
  const stored = new Set(rows.map(({ id }) => id))
  const acknowledged = [...ledger.orders.values()]
  const lost = acknowledged.filter((id) => id === undefined || !stored.has(id)).length
  if (lost > 0) problems.push(`${lost} of ${acknowledged.length} acknowledged orders are lost`)
  const surplus = stored.size - new Set(acknowledged).size
  if (surplus !== 0) problems.push(`${surplus} orders too many`)
  // part:jobs
  const ids = [...ledger.jobs.values()]
  const unfinished = await unfinishedJobs(stack, ids)
  if (unfinished > 0) problems.push(`${unfinished} of ${ids.length} acknowledged jobs did not complete`)
  if (new Set(ids).size !== ids.length) problems.push('two keys have one job')
  // end:jobs
  return problems
}

async function retried(send: () => ReturnType<Load['sendOrder']>): Promise<void> {
  let last: Reply | undefined
  await until(
    'a write is acknowledged',
    async () => {
      last = await send()
      return last.outcome.startsWith('2')
    },
    RETRY_MS,
  ).catch((error: Error) => {
    throw new Error(`${error.message}: ${last?.outcome} ${JSON.stringify(last?.body)}`, { cause: error })
  })
}

// part:jobs
/** A job whose worker died runs again within 60 s. */
async function unfinishedJobs(stack: FaultStack, ids: (string | undefined)[]): Promise<number> {
  const open = new Set(ids)
  const look = async () => {
    for (const id of open) {
      const { body } = await call(stack.api.origin, 'GET', `/jobs/${id}`)
      if (body?.state === 'completed') open.delete(id)
    }
    return open.size === 0
  }
  await until('the jobs complete', look, 75_000).catch(() => {})
  return open.size
}
// end:jobs

/** Ends a process and starts it again, as an orchestrator would. */
export async function restart(program: Program): Promise<void> {
  await program.kill()
  await program.start()
}
