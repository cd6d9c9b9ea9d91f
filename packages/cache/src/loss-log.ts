import type { Logger } from './options.ts'

/** A Redis that two looks in a row find away is told: a breaker's pause or a new connection is no news. */
const LOOK_EVERY_MS = 1_000

type Seen = { id: string; usable: boolean; fault?: string | undefined }

/**
 * Tells the log once that a Redis cannot be used, and once that it can be again. It looks instead of being told: whoever
 * finds a Redis away is a request, and the line belongs to none.
 *
 * @returns what ends it
 */
export function createLossLog(logger: Logger, nodes: () => readonly Seen[]): () => void {
  /** Those that were away at the last look, and whether that was told. */
  let away = new Map<string, boolean>()
  const timer = setInterval(look, LOOK_EVERY_MS).unref()
  return () => clearInterval(timer)

  function look() {
    const before = away
    away = new Map()
    for (const { id: node, usable, fault } of nodes()) {
      const told = before.get(node)
      if (usable) {
        if (told) logger.info({ node }, 'cache: Redis is used again')
        continue
      }
      if (told === false) {
        logger.warn(
          { node, reason: fault ?? 'no answer in time' },
          'cache: Redis cannot be used, the database is read instead',
        )
      }
      away.set(node, told !== undefined)
    }
    const known = new Set(nodes().map(({ id }) => id))
    for (const [node, told] of before) {
      if (told && !known.has(node)) logger.info({ node }, 'cache: Redis owns no keys any more, others do')
    }
  }
}
