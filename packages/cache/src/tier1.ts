import { performance } from 'node:perf_hooks'
import { LRUCache } from 'lru-cache'
import type { NamespaceStats } from './stats.ts'
import type { Proof } from './tracking.ts'

/** The encoded value, or undefined for "the loader found nothing". */
interface Tier1Entry {
  readonly payload: Buffer | undefined
  /** On the monotonic clock. */
  readonly expiresAt: number
  /** The links on which a change of the value, and of its namespace, would be announced. */
  readonly valueProof: Proof
  readonly namespaceProof: Proof
  readonly stats: NamespaceStats
  /** The payload as a latin1 string, once it was asked for. */
  readonly text?: string
  /** When the list last counted a read of the text as a use, on the monotonic clock. */
  usedAt?: number
}

export interface Tier1 {
  /** A value that is proven to be current; undefined when the last proof of its links is too old. */
  get(key: string, stats: NamespaceStats): Tier1Entry | undefined
  /** The payload of a proven value as a latin1 string, made once. Counts nothing: a caller without one asks `get`. */
  getText(key: string, maxBytes: number): string | undefined
  set(key: string, entry: Tier1Entry): void
  delete(key: string): void
  deleteAll(prefix: string): void
  clear(): void
}

/** A text that is read again and again moves to the end of the list this often, and not at each read. */
const USE_EVERY_MS = 1000

/** An estimate, beside the value: the key, the entry and the list's own arrays. */
const ENTRY_OVERHEAD_BYTES = 200

export function createTier1({ maxEntries, maxBytes }: { maxEntries: number; maxBytes: number }): Tier1 {
  const entries = new LRUCache<string, Tier1Entry>({
    max: maxEntries,
    maxSize: maxBytes,
    sizeCalculation: sizeOf,
    dispose: (entry, key) => {
      entry.stats.entries--
      entry.stats.bytes -= sizeOf(entry, key)
    },
    onInsert: (entry, key) => {
      entry.stats.entries++
      entry.stats.bytes += sizeOf(entry, key)
    },
  })

  function addText(key: string, entry: Tier1Entry, payload: Buffer, now: number): string {
    const text = payload.toString('latin1')
    // A new entry, so that the size of the list includes the text.
    entries.set(key, { ...entry, text, usedAt: now })
    return text
  }

  return {
    get(key, stats) {
      const entry = entries.get(key)
      if (entry === undefined) return undefined
      const now = performance.now()
      if (!isProven(entry, now)) {
        stats.bypassed++
        return undefined
      }
      noteRead(entry)
      return now < entry.expiresAt ? entry : undefined
    },
    getText(key, maxBytes) {
      const entry = entries.peek(key)
      if (entry?.payload === undefined || entry.payload.length > maxBytes) return undefined
      const now = performance.now()
      if (!isProven(entry, now) || now >= entry.expiresAt) return undefined
      noteRead(entry)
      if (entry.text === undefined) return addText(key, entry, entry.payload, now)
      if (now - (entry.usedAt ?? 0) > USE_EVERY_MS) {
        entry.usedAt = now
        entries.get(key)
      }
      return entry.text
    },
    set: (key, entry) => void entries.set(key, entry),
    delete: (key) => void entries.delete(key),
    deleteAll(prefix) {
      for (const key of entries.keys()) if (key.startsWith(prefix)) entries.delete(key)
    },
    clear: () => entries.clear(),
  }
}

const isProven = ({ valueProof, namespaceProof }: Tier1Entry, now: number) =>
  now <= valueProof.provenUntil && now <= namespaceProof.provenUntil

/** The links must go on proving. */
const noteRead = ({ valueProof, namespaceProof }: Tier1Entry) => {
  valueProof.isRead = true
  namespaceProof.isRead = true
}

const sizeOf = (entry: Tier1Entry, key: string) =>
  (entry.payload?.length ?? 0) + (entry.text?.length ?? 0) + key.length + ENTRY_OVERHEAD_BYTES
