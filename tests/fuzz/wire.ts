import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { Patience } from './patience.ts'
import { excerpt, FramingFault, type Reply, readReply } from './replies.ts'

export interface Target {
  readonly host: string
  readonly port: number
}

/** Sends requests as bytes on kept connections, one at a time on each, and reads the replies strictly. */
export class Wires {
  readonly #target: Target
  readonly #patience: Patience
  readonly #free: Wire[] = []
  /** Connections that were opened. */
  opened = 0

  constructor(target: Target, patience: Patience = new Patience()) {
    this.#target = target
    this.#patience = patience
  }

  /**
   * @param request latin1
   * @throws FramingFault
   */
  async exchange(request: string, method: string): Promise<Reply> {
    const wire = this.#free.pop() ?? (await this.#open())
    const reply = await wire.exchange(request, method)
    if (!reply.closes) this.#free.push(wire)
    return reply
  }

  /**
   * Sends a plain request on each connection: one that the service has closed without announcing it shows here.
   *
   * @throws FramingFault
   */
  async probe(): Promise<void> {
    const idle = this.#free.splice(0)
    await Promise.all(idle.map((wire) => wire.exchange('GET /health HTTP/1.1\r\nhost: test\r\n\r\n', 'GET')))
    this.#free.push(...idle)
  }

  /** Closes all connections, also after a fault. */
  close(): void {
    for (const wire of this.#free.splice(0)) wire.destroy()
  }

  async #open(): Promise<Wire> {
    this.opened++
    return Wire.open(this.#target, this.#patience)
  }
}

/**
 * Waits until a socket is connected.
 *
 * @throws FramingFault when the service does not accept it
 */
export async function connected(socket: Socket, { ms }: Patience): Promise<void> {
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(ms) })
  } catch (error) {
    socket.destroy()
    throw new FramingFault(`the service does not accept a connection: ${(error as Error).message}`)
  }
}

class Wire {
  readonly #socket: Socket
  readonly #patience: Patience
  /** The request before, which may have made the service close the connection. */
  #before = ''
  #received = ''
  #ended = false
  #wake = () => {}
  #failure: Error | undefined

  static async open({ host, port }: Target, patience: Patience): Promise<Wire> {
    const socket = connect(port, host)
    socket.setNoDelay(true)
    await connected(socket, patience)
    return new Wire(socket, patience)
  }

  private constructor(socket: Socket, patience: Patience) {
    this.#socket = socket
    this.#patience = patience
    socket.setEncoding('latin1').on('data', (text: string) => {
      this.#received += text
      this.#wake()
    })
    socket.on('end', () => this.#end())
    socket.on('close', () => this.#end())
    socket.on('error', (error) => {
      this.#failure = error
      this.#end()
    })
  }

  async exchange(request: string, method: string): Promise<Reply> {
    try {
      return await this.#exchange(request, method)
    } catch (error) {
      this.destroy()
      throw error
    }
  }

  destroy(): void {
    this.#socket.destroy()
  }

  async #exchange(request: string, method: string): Promise<Reply> {
    if (this.#received !== '') throw new FramingFault(`bytes after a reply: ${excerpt(this.#received)}`)
    if (this.#ended) throw this.#unannounced()
    this.#socket.write(request, 'latin1')
    for (let at = 0; ; ) {
      if (this.#ended && this.#received === '') throw this.#unannounced()
      const read = readReply(this.#received, at, { method, ended: this.#ended })
      if (read === undefined) {
        await this.#more()
      } else if (read.reply.status < 200) {
        if (read.reply.status !== 100 || !/^expect: *100-continue\r$/im.test(request)) {
          throw new FramingFault(`an interim reply that was not asked for: ${read.reply.status}`)
        }
        at = read.end
      } else {
        this.#received = this.#received.slice(read.end)
        if (read.reply.closes) await this.#closed()
        this.#before = request
        return read.reply
      }
    }
  }

  #unannounced(): FramingFault {
    const what = this.#before === '' ? 'without a reply' : `unannounced, after ${excerpt(this.#before)}`
    const cause = this.#failure === undefined ? '' : ` (${this.#failure.message})`
    return new FramingFault(`the service closed a connection ${what}${cause}`)
  }

  async #closed(): Promise<void> {
    while (!this.#ended) await this.#more()
    this.#socket.destroy()
    if (this.#received !== '')
      throw new FramingFault(`bytes after the last reply: ${excerpt(this.#received)}`)
  }

  #more(): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(
          new FramingFault(`no complete reply, and no end of the connection, within ${this.#patience.ms} ms`),
        )
      }, this.#patience.ms)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  #end(): void {
    this.#ended = true
    this.#wake()
  }
}
