import { setTimeout as delay } from 'node:timers/promises'
import { codeOf, conflictError, serverErrorOf } from './errors.ts'

/**
 * Why the server rolled work back that may succeed when it runs again:
 *
 * - `serialization` (40001): under `repeatable read` or `serializable` another transaction changed what this one read;
 *   also a standby that breaks a read off because it stands in the way of what it replays.
 * - `deadlock` (40P01): two transactions waited for each other, and this one was chosen to end it.
 * - `stale_plan`: the prepared statement no longer fits. Its table was changed meanwhile (0A000, "cached plan must not
 *   change result type"), or the server does not have it any more (26000, after `DISCARD ALL` or behind a PgBouncer
 *   that does not follow prepared statements), or has another one of this name (42P05).
 *
 * All of them are the server's own refusal, so it is certain that nothing was committed. A connection that broke, at
 * `commit` above all, is none of them: its outcome is unknown.
 */
export type RepeatReason = 'serialization' | 'deadlock' | 'stale_plan'

export interface RepeatLimits {
  /** How often work runs at most, the first time included. */
  readonly attempts: number
  /** No run begins later than this after the first one began. */
  readonly withinMs: number
}

/**
 * For 30 callers that change one row under `serializable`, each of them after reading it: see the test. A deadlock takes
 * `deadlock_timeout` (1 s) to be found, so five of them in a row fit.
 */
export const REPEAT_LIMITS: RepeatLimits = { attempts: 20, withinMs: 5_000 }

/** The pause before the n-th repetition is random, up to 10 ms × 2ⁿ and at most this ("full jitter"). */
const PAUSE_MS = { first: 10, longest: 250 }

const reasons: ReadonlyMap<string, RepeatReason> = new Map([
  ['40001', 'serialization'],
  ['40P01', 'deadlock'],
  ['26000', 'stale_plan'],
  ['42P05', 'stale_plan'],
])

export function reasonToRepeat(error: unknown): RepeatReason | undefined {
  return isChangedResult(error) ? 'stale_plan' : reasons.get(codeOf(error))
}

/** 0A000 has many meanings, and its text is in the server's language; the routine that raised it is not. */
export function isChangedResult(error: unknown): boolean {
  if (codeOf(error) !== '0A000') return false
  return (serverErrorOf(error) as { routine?: string }).routine === 'RevalidateCachedQuery'
}

/** The server does not have what the connection believes to have prepared: no statement of it is worth another try. */
export function isForgottenStatement(error: unknown): boolean {
  const code = codeOf(error)
  return code === '26000' || code === '42P05'
}

export interface Attempt {
  /** From 1. */
  readonly number: number
  /** Sends statements unprepared: an earlier attempt met one whose plan was stale. */
  readonly unprepared: boolean
}

/**
 * Runs work until it succeeds, fails for another reason than those above, or reaches a limit.
 *
 * @throws the error of the work; `DB_CONFLICT` (503) when the last attempt that the limits allow has lost as well;
 *   the signal's reason
 */
export async function repeated<Result>(
  work: (attempt: Attempt) => Promise<Result>,
  options: {
    signal?: AbortSignal | undefined
    limits?: RepeatLimits
    /** Leaves lost conflicts to the caller. */
    onlyStalePlans?: boolean
    onRepeat?: ((reason: RepeatReason) => void) | undefined
    onExhausted?: (() => void) | undefined
  } = {},
): Promise<Result> {
  const { signal, limits = REPEAT_LIMITS, onlyStalePlans = false, onRepeat, onExhausted } = options
  const endAt = performance.now() + limits.withinMs
  let unprepared = false
  for (let number = 1; ; number++) {
    try {
      return await work({ number, unprepared })
    } catch (error) {
      const reason = signal?.aborted ? undefined : reasonToRepeat(error)
      const isStalePlan = reason === 'stale_plan'
      if (reason === undefined || (isStalePlan ? unprepared : onlyStalePlans)) throw error
      // A stale plan is found at once and by this caller alone: there is nothing to wait for.
      const pauseMs = isStalePlan ? 0 : pauseBefore(number)
      if (number >= limits.attempts || performance.now() + pauseMs > endAt) {
        onExhausted?.()
        throw conflictError(error)
      }
      unprepared ||= isStalePlan
      onRepeat?.(reason)
      if (pauseMs > 0) await pause(pauseMs, signal)
    }
  }
}

function pauseBefore(repetition: number): number {
  return Math.random() * Math.min(PAUSE_MS.longest, PAUSE_MS.first * 2 ** repetition)
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await delay(ms, undefined, signal && { signal }).catch(() => {})
  signal?.throwIfAborted()
}
