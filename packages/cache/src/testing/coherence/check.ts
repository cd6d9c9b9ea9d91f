import type { LostTime } from './clock.ts'
import type { ReadRecord, WriteRecord } from './messages.ts'

export interface Findings {
  /** Reads that began later than the allowed lag after a write and returned an older version. */
  stale: number
  /** Reads that returned an older version than a read that had ended in the same process before they began. */
  backwards: number
  worstLagMs: number
  examples: string[]
}

/** Every process must see a write this long after its acknowledgement. */
const ALLOWED_LAG_MS = 150
/** An invalidation that was undelivered, or whose writer died, is delivered by any process within this time. */
const OUTBOX_MS = 1_000

/** Compares the reads of the processes with the writes. */
export function check(
  readsByProcess: readonly (readonly ReadRecord[])[],
  written: readonly WriteRecord[],
  lost: Pick<LostTime, 'stretched'>,
): Findings {
  const findings: Findings = { stale: 0, backwards: 0, worstLagMs: 0, examples: [] }
  const writesByKey = Map.groupBy(written, (write) => write.key)
  const report = (text: string) => findings.examples.length < 6 && findings.examples.push(text)
  for (const [process, reads] of readsByProcess.entries()) {
    for (const [key, own] of Map.groupBy(reads, ([key]) => key)) {
      const writes = writesByKey.get(key) ?? []
      for (const [, version, startedAt] of own) {
        const missed = writes.find((write) => write.version > version && seenByAllAt(write, lost) < startedAt)
        if (missed === undefined) continue
        const lagMs = startedAt - missed.at
        findings.stale++
        findings.worstLagMs = Math.max(findings.worstLagMs, lagMs)
        report(`process ${process} read ${key}@${version}, ${lagMs.toFixed(0)} ms after @${missed.version}`)
      }
      findings.backwards += backwards(own, (text) => report(`process ${process} key ${key}: ${text}`))
    }
  }
  return findings
}

/** The lag of a delivered invalidation is bounded by the proof of life on every machine, the delivery by others is not. */
function seenByAllAt({ at, delivered }: WriteRecord, lost: Pick<LostTime, 'stretched'>): number {
  return at + ALLOWED_LAG_MS + (delivered ? 0 : lost.stretched(at, OUTBOX_MS))
}

function backwards(reads: readonly ReadRecord[], report: (text: string) => void): number {
  const byEnd = reads.toSorted((a, b) => a[3] - b[3])
  let highest = -1
  let ended = 0
  let count = 0
  for (const [, version, startedAt] of reads.toSorted((a, b) => a[2] - b[2])) {
    for (let next = byEnd[ended]; next !== undefined && next[3] < startedAt; next = byEnd[++ended]) {
      highest = Math.max(highest, next[1])
    }
    if (version >= highest) continue
    if (count++ === 0) report(`${version} after ${highest}`)
  }
  return count
}
