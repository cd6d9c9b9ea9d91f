import { performance } from 'node:perf_hooks'
import { loadTimeout } from './errors.ts'
import { type LimitedCall, Limiter } from './limit.ts'
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

/** The namespace's loader under its hard time limit. */
export class Loader<K, V> {
  readonly #options: LoaderOptions<K, V>
  readonly #limiter: Limiter

  constructor(options: LoaderOptions<K, V>) {
    const { name, limitMs } = options
    this.#options = options
    this.#limiter = new Limiter(limitMs, () => loadTimeout(name, limitMs))
  }

  /** One key. A callback instead of a promise: a load then costs one promise less. `settle` must not throw. */
  one(key: K, settle: (loaded: Loaded<V>) => void): void {
    this.#attempt((context) => this.#options.load(key, context), settle)
  }

  /** With `loadMany` one call for all keys, else one call per key in parallel. */
  async many(keys: readonly K[]): Promise<Loaded<V>[]> {
    const { loadMany } = this.#options
    if (loadMany === undefined || keys.length === 1)
      return Promise.all(keys.map((key) => new Promise<Loaded<V>>((resolve) => this.one(key, resolve))))
    const loaded = await new Promise<Loaded<ReadonlyMap<K, V>>>((resolve) =>
      this.#attempt((context) => loadMany(keys, context), resolve),
    )
    return keys.map((key) => (loaded.ok ? { ok: true, value: loaded.value?.get(key) } : loaded))
  }

  #attempt<T>(
    call: (context: LoadContext) => Promise<T | undefined> | T | undefined,
    settle: (loaded: Loaded<T>) => void,
  ): void {
    const attempt = new Attempt<T>((loaded) => {
      this.#limiter.end(attempt)
      if (!loaded.ok) this.#options.stats.loadFailures++
      this.#options.onLoad((performance.now() - attempt.startedAt) / 1_000)
      settle(loaded)
    })
    this.#options.stats.loads++
    this.#limiter.begin(attempt)
    attempt.run(call)
  }
}

/** A call of the loader, which settles once. */
class Attempt<T> implements LoadContext, LimitedCall {
  readonly startedAt = performance.now()
  readonly #onSettled: (loaded: Loaded<T>) => void
  #isSettled = false
  #controller: AbortController | undefined

  constructor(onSettled: (loaded: Loaded<T>) => void) {
    this.#onSettled = onSettled
  }

  /** An AbortController costs some microseconds: it is created only for loaders that read the signal. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    return this.#controller.signal
  }

  run(call: (context: LoadContext) => Promise<T | undefined> | T | undefined): void {
    try {
      Promise.resolve(call(this)).then(
        (value) => this.#settle({ ok: true, value }),
        (error: unknown) => this.expire(error),
      )
    } catch (error) {
      this.expire(error)
    }
  }

  /** The load has failed or taken too long. */
  expire(error: unknown): void {
    if (this.#settle({ ok: false, error })) this.#controller?.abort(error)
  }

  #settle(loaded: Loaded<T>): boolean {
    if (this.#isSettled) return false
    this.#isSettled = true
    this.#onSettled(loaded)
    return true
  }
}
