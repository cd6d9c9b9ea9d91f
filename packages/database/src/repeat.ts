import { delay } from '@reference/async'
import { codeOf, conflictError, serverErrorOf } from './errors.ts'

/**
 * Why the server rolled back work that may succeed when it runs again:
 *
 * - `serialization` (40001): under `repeatable read` or `serializable`, another transaction changed rows that this one read. A
 *   standby also reports it, when it cancels a read that blocks its replay.
 * - `deadlock` (40P01): two transactions waited for each other, and the server ended this one.
 * - `stale_plan`: the prepared statement no longer fits. Its table was changed (0A000, "cached plan must not change result
 *   type"); or the server no longer has it (26000, after `DISCARD ALL` or behind a PgBouncer that does not track prepared
 *   statements); or the server has another one of this name (42P05).
 *
 * Each is an error of the server, so it is certain that nothing was committed. A broken connection is no such reason, because the
 * outcome is unknown, above all at `commit`.
 */
export type RepeatReason = 'serialization' | 'deadlock' | 'stale_plan'

export interface RepeatLimits {
  /** How often work runs at most, the first time included. */
  readonly attempts: number
  /** No run begins later than this after the first one began. */
  readonly withinMs: number
}

/**
 * Enough for 30 callers that read and then change the same row under `serializable` (see the test). The server detects a deadlock
 * after `deadlock_timeout` (1 s), so about five deadlocks in a row fit into the time.
 */
export const REPEAT_LIMITS: RepeatLimits = { attempts: 20, withinMs: 5_000 }

/** The pause before the n-th repetition is random, between 0 and the lesser of 10 ms × 2ⁿ and 250 ms ("full jitter"). */
const PAUSE_MS = { base: 10, longest: 250 }

const REASONS: ReadonlyMap<string, RepeatReason> = new Map([
  ['40001', 'serialization'],
  ['40P01', 'deadlock'],
  ['26000', 'stale_plan'],
  ['42P05', 'stale_plan'],
])

/** The reason to run the work again after this error; undefined when it must not run again. */
export function reasonToRepeat(error: unknown): RepeatReason | undefined {
  return isChangedResult(error) ? 'stale_plan' : REASONS.get(codeOf(error))
}

/**
 * Whether a table was changed under a prepared statement. The code 0A000 has many meanings, and the message is in the server's
 * language, so the name of the routine in the server decides.
 */
export function isChangedResult(error: unknown): boolean {
  if (codeOf(error) !== '0A000') return false
  return (serverErrorOf(error) as { routine?: string }).routine === 'RevalidateCachedQuery'
}

/** The server and the connection disagree on what is prepared: no prepared statement of this connection can be relied on. */
export function isForgottenStatement(error: unknown): boolean {
  const code = codeOf(error)
  return code === '26000' || code === '42P05'
}

export interface Attempt {
  /** From 1. */
  readonly number: number
  /** Statements are sent unprepared: an earlier attempt met a stale plan. */
  readonly unprepared: boolean
}

export interface RepeatOptions {
  readonly signal?: AbortSignal | undefined
  readonly limits?: RepeatLimits
  /** Repeat after a stale plan only; throw a lost conflict. */
  readonly onlyStalePlans?: boolean
  readonly onRepeat?: ((reason: RepeatReason) => void) | undefined
  readonly onExhausted?: (() => void) | undefined
}

/**
 * Runs work until it succeeds, fails for another reason than a `RepeatReason`, or reaches a limit.
 *
 * @throws the error of the work; `DB_CONFLICT` (503) when the last attempt within the limits lost as well; the signal's reason
 */
export async function repeated<Result>(
  work: (attempt: Attempt) => Promise<Result>,
  options: RepeatOptions = {},
): Promise<Result> {
  const { signal, limits = REPEAT_LIMITS, onRepeat, onExhausted } = options
  const endAt = performance.now() + limits.withinMs
  let unprepared = false
  for (let number = 1; ; number++) {
    try {
      return await work({ number, unprepared })
    } catch (error) {
      const reason = repeatableReason(error, unprepared, options)
      if (reason === undefined) throw error
      const pauseMs = pauseBefore(number, reason)
      if (number >= limits.attempts || performance.now() + pauseMs > endAt) {
        onExhausted?.()
        throw conflictError(error)
      }
      unprepared ||= reason === 'stale_plan'
      onRepeat?.(reason)
      if (pauseMs > 0) await delay(pauseMs, { signal })
    }
  }
}

/** A stale plan is repeated once, unprepared. A conflict is repeated up to the limits, unless `onlyStalePlans` is set. */
function repeatableReason(
  error: unknown,
  wasUnprepared: boolean,
  { signal, onlyStalePlans = false }: RepeatOptions,
): RepeatReason | undefined {
  if (signal?.aborted) return undefined
  const reason = reasonToRepeat(error)
  const isFinal = reason === 'stale_plan' ? wasUnprepared : onlyStalePlans
  return isFinal ? undefined : reason
}

/** A stale plan needs no pause: no other transaction has to end first. */
function pauseBefore(repetition: number, reason: RepeatReason): number {
  if (reason === 'stale_plan') return 0
  return Math.random() * Math.min(PAUSE_MS.longest, PAUSE_MS.base * 2 ** repetition)
}
