import type { Logger } from './logger.ts'
import type { Refusal, Refusals } from './refusal.ts'

/** A Redis that is unusable at two looks in a row is logged: a breaker's pause or a new connection is not worth a line. */
const LOOK_EVERY_MS = 1_000

export interface SeenNode {
  id: string
  usable: boolean
  fault?: string | undefined
  /** A refusal is logged at the first look: the writes of other processes may not have been announced. */
  refusals?: Pick<Refusals, 'current' | 'last' | 'count'>
}

/** The finding of the last look. */
interface Known {
  state: 'usable' | 'unusable once' | 'logged'
  refusals: number
  /** Code of the refusal that was logged. */
  code: string | undefined
}

const NEVER_SEEN: Known = { state: 'usable', refusals: 0, code: undefined }

/**
 * Logs once that a Redis cannot be used, with the reason, and once that it can be used again. Polls instead of logging on
 * error: the error surfaces inside some request, and this line must not carry that request's id.
 *
 * @returns a function that ends it
 */
export function createLossLog(logger: Logger, nodes: () => readonly SeenNode[]): () => void {
  let known = new Map<string, Known>()
  const timer = setInterval(look, LOOK_EVERY_MS).unref()
  return () => clearInterval(timer)

  function look() {
    const before = known
    known = new Map()
    for (const node of nodes()) {
      const last = before.get(node.id) ?? NEVER_SEEN
      known.set(node.id, node.usable ? lookAtUsable(node, last) : lookAtUnusable(node, last))
    }
    for (const [node, { state }] of before) {
      if (state === 'logged' && !known.has(node))
        logger.info({ node }, 'cache: Redis owns no keys any more, others do')
    }
  }

  function lookAtUsable({ id: node, refusals }: SeenNode, last: Known): Known {
    const count = refusals?.count ?? 0
    // The node has refused and accepted again since the last look.
    const isMissed = count > last.refusals && last.state !== 'logged'
    if (isMissed) logLoss(node, refusals?.last)
    if (isMissed || last.state === 'logged') logger.info({ node }, 'cache: Redis is used again')
    return { state: 'usable', refusals: count, code: undefined }
  }

  function lookAtUnusable({ id: node, refusals, fault }: SeenNode, last: Known): Known {
    const refusal = refusals?.current
    const seen = { refusals: refusals?.count ?? 0, code: refusal?.code ?? last.code }
    const isNewRefusal = refusal !== undefined && (last.state !== 'logged' || refusal.code !== last.code)
    if (!isNewRefusal && last.state === 'usable') return { ...seen, state: 'unusable once' }
    if (isNewRefusal || last.state !== 'logged') logLoss(node, refusal, fault)
    return { ...seen, state: 'logged' }
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
