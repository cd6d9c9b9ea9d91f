import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { BoundLogin } from './channel-binding.ts'
import { ConnectError } from './errors.ts'
import { nextMessage } from './messages.ts'

export interface Binding {
  readonly password: string
}

/**
 * A connection for node-postgres, which calls `connect()` itself, or for a login that must be bound to TLS, which neither driver
 * can enforce. In the second case the stream answers for the driver until the server has accepted the login.
 */
export class PostgresStream extends Duplex {
  #socket: Socket | undefined
  #login: BoundLogin | undefined
  #arrived: Buffer = Buffer.alloc(0)
  readonly #open: (() => Promise<Socket | PostgresStream>) | undefined

  /** @param open opens the connection when the driver calls `connect()` */
  constructor(open?: () => Promise<Socket | PostgresStream>) {
    // The end of the server's side ends both sides, as with a plain socket.
    super({ allowHalfOpen: false, decodeStrings: true })
    this.#open = open
  }

  /** On a connection that is open. */
  static boundTo(socket: Socket, binding: Binding): PostgresStream {
    const stream = new PostgresStream()
    stream.#login = new BoundLogin(socket as TLSSocket, binding.password)
    stream.#attach(socket)
    return stream
  }

  /** As `connect` of a socket, but `open` decides where to. */
  connect(): this {
    this.#open?.().then(
      (socket) => {
        if (this.destroyed) socket.destroy()
        else {
          this.#attach(socket as Socket)
          this.emit('connect')
        }
      },
      (error: Error) => this.destroy(error),
    )
    return this
  }

  get readyState(): 'open' | 'opening' | 'closed' {
    if (this.destroyed) return 'closed'
    return this.#socket === undefined ? 'opening' : 'open'
  }

  // Both are set when the socket is made.
  setNoDelay(): this {
    return this
  }

  setKeepAlive(): this {
    return this
  }

  ref(): this {
    this.#socket?.ref()
    return this
  }

  unref(): this {
    this.#socket?.unref()
    return this
  }

  override _read(): void {
    this.#socket?.resume()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#socket === undefined) done(new ConnectError('CONNECTION_CLOSED', 'The connection is not open'))
    else this.#socket.write(chunk, done)
  }

  override _final(done: () => void): void {
    this.#socket?.end()
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket?.destroy()
    done(error)
  }

  #attach(socket: Socket): void {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => this.#receive(socket, chunk))
    socket.on('error', (error) => this.destroy(error))
    socket.on('end', () => this.push(null))
    socket.on('close', () => this.destroy())
  }

  #receive(socket: Socket, chunk: Buffer): void {
    const through = this.#login === undefined ? chunk : this.#logIn(this.#login, socket, chunk)
    if (through !== undefined && through.length > 0 && !this.push(through)) socket.pause()
  }

  /** @returns the bytes for the driver: none before the server has accepted the login, except for an error of the server */
  #logIn(login: BoundLogin, socket: Socket, chunk: Buffer): Buffer | undefined {
    this.#arrived = Buffer.concat([this.#arrived, chunk])
    const forDriver: Buffer[] = []
    try {
      while (this.#login !== undefined) {
        const next = nextMessage(this.#arrived)
        if (next === undefined) return Buffer.concat(forDriver)
        if (next === 'invalid') throw new ConnectError('NOT_POSTGRES', 'The server broke off the login')
        this.#arrived = next.rest
        const step = login.take(next.message)
        if (step.answer !== undefined) socket.write(step.answer)
        if (step.passOn) forDriver.push(next.message.bytes)
        if (step.done) this.#login = undefined
      }
    } catch (error) {
      this.destroy(error as Error)
      return undefined
    }
    const rest = this.#arrived
    this.#arrived = Buffer.alloc(0)
    return Buffer.concat([...forDriver, rest])
  }
}
