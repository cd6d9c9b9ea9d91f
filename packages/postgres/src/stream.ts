import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { BoundLogin } from './channel-binding.ts'
import { ConnectError } from './errors.ts'
import { MessageGuard } from './message-guard.ts'
import { nextMessage } from './messages.ts'

export interface Binding {
  readonly password: string
}

/**
 * What a driver gets as its socket. It has the part of a socket that the drivers use, without the costs of a stream on top of one.
 *
 * - What the server sends passes `MessageGuard`. At the first fault the connection ends with an error, and so it does when the
 *   driver throws while it reads.
 * - An error for which the driver no longer listens is dropped: its connection is closed, and a late error of a socket must not
 *   end the process.
 * - It connects by itself for node-postgres, which calls `connect()`.
 * - It logs in by itself where the login must be bound to TLS, which neither driver can enforce.
 */
export class PostgresStream extends EventEmitter {
  #guard = new MessageGuard('The server')
  readonly #open: (() => Promise<PostgresStream>) | undefined
  #socket: Socket | undefined
  #login: BoundLogin | undefined
  #isDestroyed = false

  /** @param open opens the connection when the driver calls `connect()` */
  constructor(open?: () => Promise<PostgresStream>) {
    super()
    this.#open = open
  }

  /** On a connection that is open. */
  static over(socket: Socket, serverName: string, binding: Binding | undefined): PostgresStream {
    const stream = new PostgresStream()
    stream.#guard = new MessageGuard(serverName)
    if (binding !== undefined) stream.#login = new BoundLogin(socket as TLSSocket, binding.password)
    stream.#attach(socket)
    return stream
  }

  /** As `connect` of a socket, but `open` decides where to. */
  connect(): this {
    this.#open?.().then(
      (opened) => {
        if (this.#isDestroyed) opened.destroy()
        else if (opened.destroyed) this.destroy(notOpen())
        else {
          this.#login = opened.#login
          this.#guard = opened.#guard
          this.#attach(opened.#detach())
          this.emit('connect')
        }
      },
      (error: Error) => this.destroy(error),
    )
    return this
  }

  get destroyed(): boolean {
    return this.#isDestroyed
  }

  get writable(): boolean {
    return this.#socket?.writable ?? false
  }

  get readyState(): string {
    if (this.#isDestroyed) return 'closed'
    return this.#socket?.readyState ?? 'opening'
  }

  write(bytes: Buffer, done?: (error?: Error | null) => void): boolean {
    if (this.#socket === undefined) {
      setImmediate(() => (done === undefined ? this.destroy(notOpen()) : done(notOpen())))
      return false
    }
    this.#guard.sent(bytes)
    return this.#socket.write(bytes, done)
  }

  end(bytes?: Buffer): this {
    if (this.#socket === undefined) this.destroy()
    else if (bytes === undefined) this.#socket.end()
    else this.#socket.end(bytes)
    return this
  }

  destroy(error?: Error): this {
    if (this.#isDestroyed) return this
    this.#isDestroyed = true
    if (this.#socket !== undefined) this.#socket.destroy(error)
    else {
      setImmediate(() => {
        if (error !== undefined) this.#fail(error)
        this.emit('close', error !== undefined)
      })
    }
    return this
  }

  cork(): void {
    this.#socket?.cork()
  }

  uncork(): void {
    this.#socket?.uncork()
  }

  pause(): this {
    this.#socket?.pause()
    return this
  }

  resume(): this {
    this.#socket?.resume()
    return this
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

  /** `emit('error')`, unless it would throw. */
  #fail(error: Error): void {
    if (this.listenerCount('error') > 0) this.emit('error', error)
  }

  readonly #onData = (chunk: Buffer) => this.#receive(chunk)
  readonly #onError = (error: Error) => this.#fail(error)
  readonly #onEnd = () => this.emit('end')
  readonly #onDrain = () => this.emit('drain')
  readonly #onClose = (hadError: boolean) => {
    this.#isDestroyed = true
    this.emit('close', hadError)
  }

  #attach(socket: Socket): void {
    this.#socket = socket
    socket
      .on('data', this.#onData)
      .on('error', this.#onError)
      .on('end', this.#onEnd)
      .on('drain', this.#onDrain)
      .on('close', this.#onClose)
  }

  /** Gives its socket to another stream; nothing has been read from it. */
  #detach(): Socket {
    const socket = this.#socket as Socket
    socket
      .off('data', this.#onData)
      .off('error', this.#onError)
      .off('end', this.#onEnd)
      .off('drain', this.#onDrain)
      .off('close', this.#onClose)
    return socket
  }

  #receive(chunk: Buffer): void {
    try {
      const messages = this.#guard.take(chunk)
      const forDriver = this.#login === undefined ? messages : this.#logIn(this.#login, messages)
      if (forDriver.length > 0) this.emit('data', forDriver)
      if (this.#guard.fault !== undefined) this.destroy(this.#guard.fault)
    } catch (error) {
      this.destroy(error instanceof ConnectError ? error : unreadable(error))
    }
  }

  /** @returns the bytes for the driver: none before the server has accepted the login, except for an error of the server */
  #logIn(login: BoundLogin, messages: Buffer): Buffer {
    const forDriver: Buffer[] = []
    let rest = messages
    while (this.#login !== undefined) {
      const next = nextMessage(rest)
      if (next === undefined) return Buffer.concat(forDriver)
      if (next === 'invalid') throw new ConnectError('NOT_POSTGRES', 'The server broke off the login')
      rest = next.rest
      const step = login.take(next.message)
      if (step.answer !== undefined) this.#socket?.write(step.answer)
      if (step.passOn) forDriver.push(next.message.bytes)
      if (step.done) this.#login = undefined
    }
    return Buffer.concat([...forDriver, rest])
  }
}

function notOpen(): ConnectError {
  return new ConnectError('CONNECTION_CLOSED', 'The connection is not open')
}

function unreadable(error: unknown): ConnectError {
  const reason = error instanceof Error ? error.message : String(error)
  return new ConnectError(
    'PROTOCOL_VIOLATION',
    `The driver cannot read what the server sent: ${reason}`,
    error,
  )
}
