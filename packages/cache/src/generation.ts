import { hash, randomBytes } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import { GENERATION_LENGTH } from './envelope.ts'
import type { Tier2 } from './tier2.ts'
import type { Topology } from './topology.ts'
import type { Proof } from './tracking.ts'

/**
 * A namespace's generation, by which `clear()` makes all of its values worthless at once, wherever they lie. It is random
 * and not counted: when Redis has evicted it, a new one can never meet values of an old one.
 *
 * What values carry is derived from what is stored and from the identity of the server. A Redis that is started again with
 * an older snapshot, or a replica that takes over without the last invalidations, has old values whose rows have left the
 * outbox: under its new identity they are worthless for every process, without a message between them.
 */
export type Generation = {
  /** Known without asking, because a change of it would have been heard. */
  known(): string | undefined
  /** Asked for, or made; undefined when its owner cannot be used. Concurrent calls share one answer. */
  ask(): Promise<string | undefined>
  /** Its owner is away, and the outbox will be drained before the namespace is read from tier 2 again. */
  readonly drainAhead: boolean
  /** Where a change of it would have been heard. */
  proof(): Proof
  /** Begins a new one for everybody. Rejects when it could not be told. */
  renew(): Promise<void>
  /** It was changed by somebody, or may have been. */
  forget(): void
  /** Of the server that is read: a value from before a change of it must not be judged by a generation from then. */
  server(): string
}

/** So that an LRU policy in Redis sees that it is in use. */
const KNOWN_FOR_MS = 5_000
const NO_PROOF: Proof = { provenUntil: 0 }

type Redis = { tier2: Tier2; topology: Topology; drain: () => Promise<void> }

export function createGeneration(
  key: string,
  { tier2, topology, drain }: Redis,
  server: () => string,
): Generation {
  let known: { value: string; server: string; proof: Proof; until: number } | undefined
  let asking: Promise<string | undefined> | undefined
  let changes = 0
  let away = false
  let drains = 0

  return {
    known() {
      if (known === undefined || away) return undefined
      const now = performance.now()
      const isCurrent = now <= known.proof.provenUntil && now < known.until && known.server === server()
      return isCurrent ? known.value : undefined
    },
    ask() {
      asking ??= askOnce().finally(() => {
        asking = undefined
      })
      return asking
    },
    get drainAhead() {
      return away && drains === 0
    },
    proof,
    async renew() {
      await tier2.writeGeneration(key, makeGeneration(), false)
    },
    server,
    forget() {
      changes++
      known = undefined
      asking = undefined
    },
  }

  /** While its owner was away reads went past tier 2, so they may have seen writes whose invalidation is still to come. */
  async function askOnce(): Promise<string | undefined> {
    try {
      const value = await fetch()
      if (away) {
        drains++
        await drain().finally(() => drains--)
        away = false
      }
      return value
    } catch {
      away = true
      return undefined
    }
  }

  async function fetch(): Promise<string> {
    const changesBefore = changes
    const link = proof()
    const heard = link.provenUntil > 0
    const stored = await tier2.readGeneration(key)
    const shared =
      stored?.length === GENERATION_LENGTH
        ? stored
        : await tier2.writeGeneration(key, makeGeneration(), stored === null)
    // Not usable with another identity than that of the connection by which it was asked.
    const from = server()
    const value =
      from === '' ? shared : hash('sha256', shared + from, 'base64url').slice(0, GENERATION_LENGTH)
    if (heard && changes === changesBefore)
      known = { value, server: from, proof: link, until: performance.now() + KNOWN_FOR_MS }
    return value
  }

  function proof(): Proof {
    return topology.findOwner(key)?.link ?? NO_PROOF
  }
}

const makeGeneration = () => randomBytes(6).toString('base64url')
