import { once } from 'node:events'
import { BenchError } from '../errors.ts'

interface Reply {
  readonly id?: number
  readonly result?: unknown
  readonly error?: { readonly message: string }
}

/**
 * A session with the inspector of another Node process (`--inspect`), over the
 * [Chrome DevTools Protocol](https://chromedevtools.github.io/devtools-protocol/v8/).
 */
export class Inspector {
  readonly #socket: WebSocket
  readonly #callers = new Map<number, PromiseWithResolvers<unknown>>()
  #ids = 0

  private constructor(socket: WebSocket) {
    this.#socket = socket
    socket.addEventListener('message', ({ data }) => this.#receive(JSON.parse(String(data)) as Reply))
    socket.addEventListener('close', () => this.#lose())
  }

  /** @throws BenchError when no inspector listens on this port of the local host */
  static async connect(port: number): Promise<Inspector> {
    try {
      const reply = await fetch(`http://127.0.0.1:${port}/json/list`)
      const [target] = (await reply.json()) as { webSocketDebuggerUrl: string }[]
      const socket = new WebSocket(target?.webSocketDebuggerUrl ?? '')
      await once(socket, 'open')
      return new Inspector(socket)
    } catch (cause) {
      throw new BenchError('INSPECTOR_FAILED', `no inspector answers on port ${port}`, { cause })
    }
  }

  /** @throws BenchError with the message of the protocol, or when the process ends before its answer */
  async send<T>(method: string, parameters: object = {}): Promise<T> {
    const id = this.#ids++
    const caller = Promise.withResolvers<unknown>()
    this.#callers.set(id, caller)
    this.#socket.send(JSON.stringify({ id, method, params: parameters }))
    return (await caller.promise) as T
  }

  /** The value of an expression in the process, which must be JSON. */
  async evaluate<T>(expression: string): Promise<T> {
    const { result } = await this.send<{ result: { value: T } }>('Runtime.evaluate', {
      expression,
      returnByValue: true,
      awaitPromise: true,
    })
    return result.value
  }

  close(): void {
    this.#socket.close()
  }

  #receive({ id, result, error }: Reply): void {
    if (id === undefined) return
    const caller = this.#callers.get(id)
    this.#callers.delete(id)
    if (error) caller?.reject(new BenchError('INSPECTOR_FAILED', error.message))
    else caller?.resolve(result)
  }

  #lose(): void {
    for (const caller of this.#callers.values())
      caller.reject(new BenchError('INSPECTOR_FAILED', 'the process ended during its profile'))
    this.#callers.clear()
  }
}
