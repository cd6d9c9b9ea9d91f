import type { Logger } from './options.ts'
import type { Refusal } from './refusal.ts'

/** A Redis that two looks in a row find unusable is logged: a breaker's pause or a new connection is no news. */
const LOOK_EVERY_MS = 1_000

type Seen = {
  id: string
  usable: boolean
  fault?: string | undefined
  /** Unlike a pause, always news: what other processes wrote may not have been announced. */
  refusal?: Refusal | undefined
  refusals?: { byCode: ReadonlyMap<string, number>; last: Refusal | undefined }
}

/** What the last look found: how often the node had refused, and since when it is unusable. */
type Known = { refused: number; state: 'usable' | 'unusable once' | 'logged'; code: string | undefined }

/**
 * Logs once that a Redis cannot be used, with the reason, and once that it can be again. It looks instead of being called:
 * what finds a Redis unusable is a request, and the line belongs to none.
 *
 * @returns what ends it
 */
export function createLossLog(logger: Logger, nodes: () => readonly Seen[]): () => void {
  let known = new Map<string, Known>()
  const timer = setInterval(look, LOOK_EVERY_MS).unref()
  return () => clearInterval(timer)

  function look() {
    const before = known
    known = new Map()
    for (const seen of nodes()) known.set(seen.id, lookAt(seen, before.get(seen.id)))
    for (const [node, { state }] of before) {
      if (state === 'logged' && !known.has(node))
        logger.info({ node }, 'cache: Redis owns no keys any more, others do')
    }
  }

  function lookAt(seen: Seen, last: Known = { refused: 0, state: 'usable', code: undefined }): Known {
    const { id: node, usable, refusal } = seen
    const refused = timesRefused(seen)
    if (usable) {
      // Refused and accepted again since the last look.
      const missed = refused > last.refused && last.state !== 'logged'
      if (missed) logLoss(node, seen.refusals?.last)
      if (missed || last.state === 'logged') logger.info({ node }, 'cache: Redis is used again')
      return { refused, state: 'usable', code: undefined }
    }
    const isNews = last.state === 'logged' ? refusal !== undefined && refusal.code !== last.code : refusal
    if (!isNews && last.state === 'usable') return { refused, state: 'unusable once', code: undefined }
    if (isNews || last.state !== 'logged') logLoss(node, refusal, seen.fault)
    return { refused, state: 'logged', code: refusal?.code ?? last.code }
  }

  function logLoss(node: string, refusal: Refusal | undefined, fault = 'no answer in time') {
    logger.warn(
      refusal === undefined
        ? { node, reason: fault }
        : { node, reason: `${refusal.code}: ${refusal.reason}`, reply: refusal.reply.slice(0, 200) },
      'cache: Redis cannot be used, the database is read instead',
    )
  }
}

const timesRefused = ({ refusals }: Seen) =>
  [...(refusals?.byCode.values() ?? [])].reduce((sum, times) => sum + times, 0)
