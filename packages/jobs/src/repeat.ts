import { delay } from '@reference/async'
import { codeOf } from './errors.ts'

const ATTEMPTS = 8
/** The pause before the n-th repetition is random, up to 10 ms × 2ⁿ. */
const FIRST_PAUSE_MS = 10

/** Serialization failure and deadlock: the server has rolled everything back. */
const CONFLICT_CODES = new Set(['40001', '40P01'])
/** The server does not have the prepared statement, or has another text under its name. */
const FORGOTTEN_CODES = new Set(['26000', '42P05'])

/**
 * Runs a statement, or a transaction that has no effects but those in the database, and repeats it:
 *
 * - when it lost a conflict, up to 8 attempts in all;
 * - without preparing it, when its prepared statement is no longer valid (`alter table`, `DISCARD ALL`).
 *
 * Most statements of the queue run in the background, where no caller repeats them: a job that is done would stay active
 * until its heartbeat is missed, and would run again.
 *
 * @throws the server's last error
 */
export async function repeated<Result>(run: (prepare: boolean) => Promise<Result>): Promise<Result> {
  let prepare = true
  for (let attempt = 1; ; attempt++) {
    try {
      return await run(prepare)
    } catch (error) {
      if (prepare && isStale(error)) prepare = false
      else if (isConflict(error) && attempt < ATTEMPTS)
        await delay(Math.random() * FIRST_PAUSE_MS * 2 ** attempt)
      else throw error
    }
  }
}

function isConflict(error: unknown): boolean {
  return CONFLICT_CODES.has(codeOf(error) ?? '')
}

/** 0A000 has many meanings, and its text is in the server's language. The routine that raised it is not. */
function isStale(error: unknown): boolean {
  const code = codeOf(error) ?? ''
  if (FORGOTTEN_CODES.has(code)) return true
  return code === '0A000' && Reflect.get(error as Error, 'routine') === 'RevalidateCachedQuery'
}
