import { ReplyError } from 'ioredis'
import { isWrongType, redirectOf } from './errors.ts'

/** Why a Redis that answers does not do what the cache needs. */
export interface Refusal {
  /** The first word of its reply, such as `READONLY`: a label of metrics. */
  readonly code: string
  /** For people, without names of hosts, users or keys. */
  readonly reason: string
  /** The reply itself: for the log only. */
  readonly reply: string
}

/** The refusals of one node. */
export class Refusals {
  /** Undefined while the node refuses nothing. */
  current: Refusal | undefined
  last: Refusal | undefined
  /** How often the node began to refuse, by code. */
  readonly byCode = new Map<string, number>()

  get count(): number {
    return [...this.byCode.values()].reduce((sum, times) => sum + times, 0)
  }

  /** @returns whether the node accepted everything before */
  begin(refusal: Refusal): boolean {
    const isFirst = this.current === undefined
    if (refusal.code !== this.current?.code) {
      this.byCode.set(refusal.code, (this.byCode.get(refusal.code) ?? 0) + 1)
    }
    this.current = refusal
    this.last = refusal
    return isFirst
  }

  end(): void {
    this.current = undefined
  }
}

const REASONS: Readonly<Record<string, string>> = {
  READONLY: 'the server is a replica, which accepts no writes',
  NOREPLICAS: 'fewer replicas are connected than min-replicas-to-write asks for',
  MISCONF: 'its last snapshot failed, and stop-writes-on-bgsave-error is on',
  OOM: 'its memory (maxmemory) is full, and its policy evicts nothing that would make room',
  NOPERM: 'its user lacks the permission for a command or a key of the cache',
  NOAUTH: 'it asks for a password, and none was given',
  WRONGPASS: 'it refuses the user name or the password',
  LOADING: 'it is still loading its data',
  MASTERDOWN: 'it is a replica without its master',
  CLUSTERDOWN: 'some slots of the Cluster have no owner, or this node is cut off from most masters',
  BUSY: 'a script blocks it',
}
const UNKNOWN_REASON = 'it refuses a command that the cache needs'

/**
 * Every error reply means that the node does not do what the cache needs, except a redirection (another node does) and
 * WRONGTYPE (the key is at fault). A list of known refusals instead would trust a node whose refusals are worded differently.
 *
 * @returns undefined for errors that are no reply, such as a closed connection or a time limit
 */
export function refusalOf(error: unknown): Refusal | undefined {
  if (!(error instanceof Error && error instanceof ReplyError)) return undefined
  if (redirectOf(error) !== undefined || isWrongType(error)) return undefined
  const [word = ''] = error.message.split(' ', 1)
  const code = /^[A-Z]{2,20}$/.test(word) ? word : 'ERR'
  return { code, reason: REASONS[code] ?? UNKNOWN_REASON, reply: error.message }
}

/** A replica that accepts writes (`replica-read-only no`) refuses nothing, and yet its writes reach no other server. */
export const replicaError = (): Error => new ReplyError('READONLY its role is that of a replica')
