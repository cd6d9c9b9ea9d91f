import { setTimeout as delay } from 'node:timers/promises'

const ATTEMPTS = 8
/** The pause before the n-th repetition is random, up to 10 ms × 2ⁿ. */
const FIRST_PAUSE_MS = 10

/** Serialization failure and deadlock: the server has rolled all of it back. */
const CONFLICTS = new Set(['40001', '40P01'])
/** A prepared statement that the server does not have, or has under another text. */
const FORGOTTEN = new Set(['26000', '42P05'])

/**
 * Runs a statement, or a transaction that has no effects but those in the database, again when it lost a conflict, and once
 * more, unprepared, when its prepared statement no longer fitted (`alter table`, `DISCARD ALL`). The queue's work is mostly in
 * the background: nothing else would repeat a job's completion before its heartbeat is missed.
 *
 * @throws the server's last error
 */
export async function repeated<Result>(run: (prepare: boolean) => Promise<Result>): Promise<Result> {
  let prepare = true
  for (let attempt = 1; ; attempt++) {
    try {
      return await run(prepare)
    } catch (error) {
      const { code = '' } = error as { code?: string }
      if (prepare && isStale(error)) prepare = false
      else if (CONFLICTS.has(code) && attempt < ATTEMPTS)
        await delay(Math.random() * FIRST_PAUSE_MS * 2 ** attempt)
      else throw error
    }
  }
}

/** 0A000 has many meanings, and its text is in the server's language; the routine that raised it is not. */
function isStale(error: unknown): boolean {
  const { code = '', routine } = error as { code?: string; routine?: string }
  return FORGOTTEN.has(code) || (code === '0A000' && routine === 'RevalidateCachedQuery')
}
