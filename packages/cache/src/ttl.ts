/** Upper bound of the random share by which a TTL is shortened, so that values filled together do not expire together. */
export const JITTER = 0.1

/** Without Redis no invalidation arrives, so tier 1 keeps an entry for at most 5 s. */
export const UNTRACKED_TTL_MS = 5_000

/** A TTL shortened by up to `JITTER`, never lengthened. `random` is in [0, 1). Whole milliseconds, at least 1. */
export function jittered(ttlMs: number, random: number): number {
  return Math.max(1, Math.floor(ttlMs * (1 - JITTER * random)))
}

/** How long tier 1 may keep a value that is fresh until `freshUntil` by the same clock as `now`: never longer than tier 2. */
export function tier1TtlMs(freshUntil: number, now: number, random: number): number {
  const left = freshUntil - now
  return left > 0 ? left * (1 - JITTER * random) : 0
}

/** How long Redis keeps a value: its time to be fresh, then the grace in which it may still be answered. */
export const storedForMs = (ttlMs: number, graceMs: number): number => Math.max(1, Math.ceil(ttlMs + graceMs))
