import { performance } from 'node:perf_hooks'
import { loadTimeout } from './errors.ts'
import { withLimit } from './limit.ts'
import type { NamespaceStats } from './stats.ts'

/** What a load came to, for one key. */
export type Loaded<V> = { ok: true; value: V | undefined } | { ok: false; error: unknown }

export type LoadContext = { signal: AbortSignal }

type LoaderOptions<K, V> = {
  name: string
  load: (key: K, context: LoadContext) => Promise<V | undefined> | V | undefined
  loadMany: ((keys: readonly K[], context: LoadContext) => Promise<ReadonlyMap<K, V>>) | undefined
  limitMs: number
  stats: NamespaceStats
  onLoad: (seconds: number) => void
}

/** The namespace's loader under its hard time limit: one call for many keys where it can, else side by side. */
export function createLoader<K, V>({ name, load, loadMany, limitMs, stats, onLoad }: LoaderOptions<K, V>) {
  return async (keys: readonly K[]): Promise<Loaded<V>[]> => {
    if (loadMany === undefined || keys.length === 1) return Promise.all(keys.map(one))
    const loaded = await limited((context) => loadMany(keys, context))
    return keys.map((key) => (loaded.ok ? { ok: true, value: loaded.value?.get(key) } : loaded))
  }

  function one(key: K): Promise<Loaded<V>> {
    return limited(async (context) => load(key, context))
  }

  async function limited<T>(call: (context: LoadContext) => Promise<T>): Promise<Loaded<T>> {
    const abort = new AbortController()
    const startedAt = performance.now()
    stats.loads++
    try {
      const work = call({ signal: abort.signal })
      return { ok: true, value: await withLimit(work, limitMs, () => loadTimeout(name, limitMs)) }
    } catch (error) {
      stats.loadFailures++
      abort.abort(error)
      return { ok: false, error }
    } finally {
      onLoad((performance.now() - startedAt) / 1_000)
    }
  }
}
