import { delay } from '@reference/async'
import { codeOf, conflictError, serverErrorOf } from './errors.ts'

/**
 * Why the server rolled back work that may succeed when it runs again:
 *
 * - `serialization` (40001): under `repeatable read` or `serializable` another transaction changed rows that this one read; also
 *   a standby that cancels a read because it blocks the replay.
 * - `deadlock` (40P01): two transactions waited for each other, and the server ended this one.
 * - `stale_plan`: the prepared statement no longer fits. Its table was changed (0A000, "cached plan must not change result
 *   type"); or the server no longer has it (26000, after `DISCARD ALL` or behind a PgBouncer that does not track prepared
 *   statements); or the server has another one of this name (42P05).
 *
 * Each is a refusal by the server, so it is certain that nothing was committed. A broken connection, above all at `commit`, is
 * none of them: the outcome is unknown.
 */
export type RepeatReason = 'serialization' | 'deadlock' | 'stale_plan'

export interface RepeatLimits {
  /** How often work runs at most, the first time included. */
  readonly attempts: number
  /** No run begins later than this after the first one began. */
  readonly withinMs: number
}

/**
 * Enough for 30 callers that change one row under `serializable`, each after reading it (see the test). The server finds a
 * deadlock after `deadlock_timeout` (1 s), so five in a row fit.
 */
export const REPEAT_LIMITS: RepeatLimits = { attempts: 20, withinMs: 5_000 }

/** The pause before the n-th repetition is random, up to 10 ms × 2ⁿ and at most this ("full jitter"). */
const PAUSE_MS = { first: 10, longest: 250 }

const REASONS: ReadonlyMap<string, RepeatReason> = new Map([
  ['40001', 'serialization'],
  ['40P01', 'deadlock'],
  ['26000', 'stale_plan'],
  ['42P05', 'stale_plan'],
])

export function reasonToRepeat(error: unknown): RepeatReason | undefined {
  return isChangedResult(error) ? 'stale_plan' : REASONS.get(codeOf(error))
}

/** 0A000 has many meanings, and its text is in the server's language; the name of the routine that raised it is not. */
export function isChangedResult(error: unknown): boolean {
  if (codeOf(error) !== '0A000') return false
  return (serverErrorOf(error) as { routine?: string }).routine === 'RevalidateCachedQuery'
}

/** The server lacks a statement that the connection has prepared: no prepared statement of this connection can be relied on. */
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
  /** A lost conflict is thrown and not repeated. */
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

/** A stale plan is found at once and concerns this caller alone, so there is nothing to wait for. */
function pauseBefore(repetition: number, reason: RepeatReason): number {
  if (reason === 'stale_plan') return 0
  return Math.random() * Math.min(PAUSE_MS.longest, PAUSE_MS.first * 2 ** repetition)
}
