import { varyByOrigin } from './cors.ts'
import type { HotHead } from './hot-reply.ts'

/** The heads of hot routes with the headers of every reply, made once for each head. */
export class CompleteHeads {
  readonly #constant: readonly string[]
  readonly #cors: boolean
  readonly #heads = new WeakMap<HotHead, HotHead>()
  /** Most replies have the head of the reply before. */
  #last: { readonly head: HotHead; readonly complete: HotHead } | undefined

  /**
   * @param options.headers of every reply
   * @param options.cors replies depend on the origin
   */
  constructor({ headers, cors }: { headers: Readonly<Record<string, string>>; cors: boolean }) {
    this.#constant = Object.entries(headers).flat()
    this.#cors = cors
  }

  of(head: HotHead): HotHead {
    if (this.#last?.head === head) return this.#last.complete
    const complete = this.#heads.get(head) ?? this.#complete(head)
    this.#heads.set(head, complete)
    this.#last = { head, complete }
    return complete
  }

  /** In the order in which Fastify's hooks and the handler set the headers. */
  #complete(head: HotHead): HotHead {
    const [name = '', id = '', ...rest] = head
    if (!this.#cors) return [name, id, ...this.#constant, ...rest]
    const at = rest.indexOf('vary')
    const [, vary] = at === -1 ? [] : rest.splice(at, 2)
    return [name, id, ...this.#constant, 'vary', varyByOrigin(vary), ...rest]
  }
}
