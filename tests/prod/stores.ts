import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { audit, type Ledger, startLedger } from '../testing/ledger.ts'
import { type Failure, holdsWithin, percentile, reads, send, startLoad } from '../testing/load.ts'
import { report, theProduction } from './production.ts'

const { production, origin, rate, authorization, ask } = theProduction()

export interface Seen {
  failedReads: number
  /** From the first to the last failure, in seconds. */
  readsFailedFor: number
  failedWrites: number
  writesFailedFor: number
  /** Statuses of the failed writes. */
  writeStatuses: number[]
}

const span = (list: readonly { atMs: number }[]) => {
  const times = list.map(({ atMs }) => atMs)
  return list.length === 0 ? 0 : Math.round((Math.max(...times) - Math.min(...times)) / 100) / 10
}

/** Sends reads and a ledger of writes during a fault, then compares every row. */
export async function breaking(
  t: Test,
  what: string,
  fault: (ledger: Ledger) => Promise<void>,
  recovered: () => Promise<boolean>,
  { mayLose = 0 } = {},
): Promise<Seen> {
  const ledger = startLedger(origin, authorization)
  const load = startLoad(origin, rate, reads)
  try {
    await sleep(2000)
    await fault(ledger)
    t.ok(await holdsWithin(recovered, 60_000), 'it recovers by itself within a minute')
    await sleep(3000)
  } finally {
    await ledger.stop()
  }
  const { sent, failures, latencies } = await load.stop()
  // The outbox delivers its rows within a second.
  await sleep(2000)
  const { lost, stale } = await audit(ledger, origin, ask)
  const seen = {
    failedReads: failures.length,
    readsFailedFor: span(failures),
    failedWrites: ledger.failed.length,
    writesFailedFor: span(ledger.failed),
    writeStatuses: [...new Set(ledger.failed.map(({ status }) => status))],
  }
  report(
    `${what}: ${seen.failedReads} of ${sent} reads failed (${readsThat(failures)}) over ${seen.readsFailedFor} s (p99 ${percentile(latencies, 0.99)} ms); ` +
      `${seen.failedWrites} writes failed (${seen.writeStatuses.join(', ') || 'none'}) over ${seen.writesFailedFor} s, ${ledger.acknowledged} were acknowledged, ${lost.length} of them lost`,
  )
  if (mayLose === 0) t.same(lost, [], 'nothing acknowledged is lost')
  else t.ok(lost.length <= mayLose, `at most ${mayLose} acknowledged writes are lost`)
  t.same(stale, [], 'nothing stale is read')
  return seen
}

/** The calls that failed and how, such as `GET /report 503`. */
const readsThat = (failures: readonly Failure[]): string =>
  [...new Set(failures.map(({ call, status, code }) => `${call.replaceAll(/\d+/g, 'N')} ${status} ${code}`))]
    .slice(0, 10)
    .join(', ') || 'none'

export const writable = async () =>
  (
    await send(origin, {
      method: 'PATCH',
      path: '/users/100',
      headers: authorization,
      body: { name: 'probe' },
    })
  ).status === 200

export const containerId = async (service: string) =>
  (await production.compose(['ps', '--all', '--quiet', service])).trim()

/** Whether the other node streams from the primary. */
export const replicaStreams = async () =>
  (await ask(
    `SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND application_name LIKE 'postgres-%'`,
  ).catch(() => '0')) === '1'
