import type { ReadRecord, WriteRecord } from './messages.ts'

export type Findings = {
  /** Reads that began later than the allowed lag after a write and returned less than it. */
  stale: number
  /** Reads that returned less than one that had ended in the same process before they began. */
  backwards: number
  worstLagMs: number
  examples: string[]
}

/** A write is seen by all so long after its acknowledgement. */
const ALLOWED_LAG_MS = 150
/** What was committed and could not be delivered, or whose writer died, any process delivers in this time. */
const OUTBOX_MS = 1_000

/** Judges what the processes saw against what was written. */
export function check(
  readsByProcess: readonly (readonly ReadRecord[])[],
  written: readonly WriteRecord[],
): Findings {
  const findings: Findings = { stale: 0, backwards: 0, worstLagMs: 0, examples: [] }
  const writesByKey = Map.groupBy(written, (write) => write.key)
  const report = (text: string) => findings.examples.length < 6 && findings.examples.push(text)
  for (const [process, reads] of readsByProcess.entries()) {
    for (const [key, own] of Map.groupBy(reads, ([key]) => key)) {
      const writes = writesByKey.get(key) ?? []
      for (const [, version, startedAt] of own) {
        const missed = writes.find((write) => write.version > version && seenByAllAt(write) < startedAt)
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

const seenByAllAt = ({ at, delivered }: WriteRecord) => at + ALLOWED_LAG_MS + (delivered ? 0 : OUTBOX_MS)

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
