import { performance } from 'node:perf_hooks'
import { loadTimeout } from './errors.ts'
import { createLimiter } from './limit.ts'
import type { NamespaceStats } from './stats.ts'

/** The outcome of a load, for one key. */
export type Loaded<V> = { ok: true; value: V | undefined } | { ok: false; error: unknown }

export interface LoadContext {
  readonly signal: AbortSignal
}

interface LoaderOptions<K, V> {
  name: string
  load: (key: K, context: LoadContext) => Promise<V | undefined> | V | undefined
  loadMany: ((keys: readonly K[], context: LoadContext) => Promise<ReadonlyMap<K, V>>) | undefined
  limitMs: number
  stats: NamespaceStats
  onLoad: (seconds: number) => void
}

/** The namespace's loader under its hard time limit: with `loadMany` one call for many keys, else one call per key in parallel. */
export function createLoader<K, V>({ name, load, loadMany, limitMs, stats, onLoad }: LoaderOptions<K, V>) {
  const limited = createLimiter(limitMs, () => loadTimeout(name, limitMs))

  return async (keys: readonly K[]): Promise<Loaded<V>[]> => {
    if (loadMany === undefined || keys.length === 1) {
      return Promise.all(keys.map((key) => attempt(async (context) => load(key, context))))
    }
    const loaded = await attempt((context) => loadMany(keys, context))
    return keys.map((key) => (loaded.ok ? { ok: true, value: loaded.value?.get(key) } : loaded))
  }

  async function attempt<T>(call: (context: LoadContext) => Promise<T>): Promise<Loaded<T>> {
    const context = new AbortableContext()
    const startedAt = performance.now()
    stats.loads++
    try {
      return { ok: true, value: await limited(call(context)) }
    } catch (error) {
      stats.loadFailures++
      context.abort(error)
      return { ok: false, error }
    } finally {
      onLoad((performance.now() - startedAt) / 1_000)
    }
  }
}

/** An AbortController costs some microseconds: it is created only for loaders that read the signal. */
class AbortableContext implements LoadContext {
  #controller: AbortController | undefined

  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    return this.#controller.signal
  }

  abort(reason: unknown) {
    this.#controller?.abort(reason)
  }
}
