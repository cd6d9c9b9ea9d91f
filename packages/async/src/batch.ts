import { AsyncResource } from 'node:async_hooks'

/** What makes a caller leave: its signal. */
export interface Leaving {
  readonly signal?: AbortSignal | undefined
}

interface Caller<Item> {
  readonly resolve: (item: Item | undefined) => void
  readonly reject: (error: unknown) => void
  readonly leaving: Leaving | undefined
  readonly calledAt: number
  /** Its signal, and the listener on it, once the signal has been read. */
  watch: { readonly signal: AbortSignal | undefined; readonly onAbort: () => void } | undefined
}

/** Keys that are loaded together, and their callers. */
export class Batch<Key, Item> {
  readonly #callersOf = new Map<Key, Caller<Item>[]>()
  readonly #onEmpty: (batch: Batch<Key, Item>) => void
  /** Callers that have not left. */
  #callers = 0
  /** Aborts the load. Undefined before the start. */
  #controller: AbortController | undefined
  /** The asynchronous context of the first caller, where the start has another one. */
  #context: AsyncResource | undefined

  /** @param onEmpty called when the last caller has left before the batch started */
  constructor(onEmpty: (batch: Batch<Key, Item>) => void) {
    this.#onEmpty = onEmpty
  }

  get size(): number {
    return this.#callersOf.size
  }

  has(key: Key): boolean {
    return this.#callersOf.has(key)
  }

  /**
   * The batch will start in the present context, whatever starts it. Not for every batch: that
   * took 1.2 % of the CPU time with 50 callers, and a larger part of a batch of one.
   */
  keepContext(): void {
    this.#context = new AsyncResource('Batch')
  }

  /** Runs a function in the context that was kept, else in the present one. */
  inContext<Result>(run: () => Result): Result {
    return this.#context === undefined ? run() : this.#context.runInAsyncScope(run)
  }

  add(key: Key, leaving: Leaving | undefined): Promise<Item | undefined> {
    return new Promise((resolve, reject) => {
      const caller: Caller<Item> = { resolve, reject, leaving, calledAt: performance.now(), watch: undefined }
      const callers = this.#callersOf.get(key)
      if (callers === undefined) this.#callersOf.set(key, [caller])
      else callers.push(caller)
      this.#callers++
    })
  }

  /** From now on the batch takes no callers. @returns its keys, and a signal that aborts when its last caller has left */
  start(): { keys: Key[]; signal: AbortSignal } {
    this.#controller = new AbortController()
    return { keys: [...this.#callersOf.keys()], signal: this.#controller.signal }
  }

  resolve(key: Key, item: Item | undefined): void {
    for (const caller of this.#take(key)) caller.resolve(item)
  }

  reject(key: Key, error: unknown): void {
    for (const caller of this.#take(key)) caller.reject(error)
  }

  /** Rejects the callers that have called at this time or earlier. */
  rejectCallersUntil(time: number, error: () => unknown): void {
    this.#forEachUntil(time, (key, caller) => this.#leave(key, caller, error()))
  }

  /** From now on the callers that have called at this time or earlier leave when their signals abort. */
  watchCallersUntil(time: number): void {
    this.#forEachUntil(time, (key, caller) => {
      if (caller.watch !== undefined) return
      const signal = caller.leaving?.signal
      const onAbort = () => this.#leave(key, caller, signal?.reason)
      caller.watch = { signal, onAbort }
      if (signal?.aborted) onAbort()
      else signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  #forEachUntil(time: number, visit: (key: Key, caller: Caller<Item>) => void): void {
    for (const [key, callers] of [...this.#callersOf]) {
      for (const caller of [...callers]) if (caller.calledAt <= time) visit(key, caller)
    }
  }

  /** The callers of a key that have not left. They are settled next. */
  #take(key: Key): readonly Caller<Item>[] {
    const callers = this.#callersOf.get(key)
    if (callers === undefined) return []
    this.#callersOf.delete(key)
    for (const { watch } of callers) watch?.signal?.removeEventListener('abort', watch.onAbort)
    return callers
  }

  #leave(key: Key, caller: Caller<Item>, reason: unknown): void {
    const callers = this.#callersOf.get(key)
    const index = callers?.indexOf(caller) ?? -1
    if (callers === undefined || index === -1) return
    callers.splice(index, 1)
    if (callers.length === 0) this.#callersOf.delete(key)
    caller.watch?.signal?.removeEventListener('abort', caller.watch.onAbort)
    caller.reject(reason)
    this.#callers--
    if (this.#callers > 0) return
    if (this.#controller === undefined) this.#onEmpty(this)
    else this.#controller.abort(reason)
  }
}
