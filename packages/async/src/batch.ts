import { AsyncLocalStorage } from 'node:async_hooks'

/** Runs a function in an asynchronous context that was kept. */
type InContext = <Result>(run: () => Result) => Result

interface Caller<Item> {
  readonly resolve: (item: Item | undefined) => void
  readonly reject: (error: unknown) => void
  readonly signal: AbortSignal | undefined
  readonly calledAt: number
  onAbort: (() => void) | undefined
}

/** Keys that are loaded together, and their callers. */
export class Batch<Key, Item> {
  readonly #callersOf = new Map<Key, Caller<Item>[]>()
  readonly #onEmpty: (batch: Batch<Key, Item>) => void
  /** Callers that have not left. */
  #callers = 0
  /** A caller has no signal, so it cannot leave. */
  #isKept = false
  #hasStarted = false
  #controller: AbortController | undefined
  /** The context of the first caller: what the batch does belongs to its trace. */
  readonly inContext: InContext = AsyncLocalStorage.snapshot()

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

  add(key: Key, signal: AbortSignal | undefined): Promise<Item | undefined> {
    return new Promise((resolve, reject) => {
      const caller: Caller<Item> = {
        resolve,
        reject,
        signal,
        calledAt: performance.now(),
        onAbort: undefined,
      }
      const callers = this.#callersOf.get(key)
      if (callers === undefined) this.#callersOf.set(key, [caller])
      else callers.push(caller)
      this.#callers++
      if (signal === undefined) {
        this.#isKept = true
        return
      }
      caller.onAbort = () => this.#leave(key, caller, signal.reason)
      signal.addEventListener('abort', caller.onAbort, { once: true })
    })
  }

  /** From now on the batch takes no callers. @returns its keys, and a signal that aborts when its last caller has left */
  start(): { keys: Key[]; signal: AbortSignal | undefined } {
    this.#hasStarted = true
    const keys = [...this.#callersOf.keys()]
    if (this.#isKept) return { keys, signal: undefined }
    if (this.#callers === 1) return { keys, signal: this.#callersOf.get(keys[0] as Key)?.[0]?.signal }
    this.#controller = new AbortController()
    return { keys, signal: this.#controller.signal }
  }

  resolve(key: Key, item: Item | undefined): void {
    for (const caller of this.#take(key)) caller.resolve(item)
  }

  reject(key: Key, error: unknown): void {
    for (const caller of this.#take(key)) caller.reject(error)
  }

  /** Rejects the callers that have called at this time or earlier. @returns when the first of the other callers has called */
  rejectCallersUntil(time: number, error: () => unknown): number | undefined {
    let first: number | undefined
    for (const [key, callers] of [...this.#callersOf]) {
      for (const caller of [...callers]) {
        if (caller.calledAt <= time) this.#leave(key, caller, error())
        else if (first === undefined || caller.calledAt < first) first = caller.calledAt
      }
    }
    return first
  }

  /** The callers of a key that have not left. They are settled next. */
  #take(key: Key): readonly Caller<Item>[] {
    const callers = this.#callersOf.get(key)
    if (callers === undefined) return []
    this.#callersOf.delete(key)
    for (const { signal, onAbort } of callers) {
      if (onAbort !== undefined) signal?.removeEventListener('abort', onAbort)
    }
    return callers
  }

  #leave(key: Key, caller: Caller<Item>, reason: unknown): void {
    const callers = this.#callersOf.get(key)
    const index = callers?.indexOf(caller) ?? -1
    if (callers === undefined || index === -1) return
    callers.splice(index, 1)
    if (callers.length === 0) this.#callersOf.delete(key)
    if (caller.onAbort !== undefined) caller.signal?.removeEventListener('abort', caller.onAbort)
    caller.reject(reason)
    this.#callers--
    if (this.#callers > 0) return
    if (this.#hasStarted) this.#controller?.abort(reason)
    else this.#onEmpty(this)
  }
}
