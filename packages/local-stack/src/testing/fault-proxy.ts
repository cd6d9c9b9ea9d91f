import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { freePort } from '../free-port.ts'
import type { TestScope } from './databases-and-redis.ts'

/** What a path between two processes does. Bytes of a server are the bytes that it sends to its client. */
export type Fault =
  | { readonly kind: 'none' }
  /** Each part arrives later: by `ms`, and by up to `jitterMs` more. */
  | { readonly kind: 'latency'; readonly ms: number; readonly jitterMs?: number }
  /** Accepts all data and forwards none, on new connections too: a host that is gone behind a load balancer. */
  | { readonly kind: 'black hole' }
  /** As a black hole, but only for the connections that are open now: a router that has forgotten them. */
  | { readonly kind: 'half-open' }
  /** The client's data arrives, and the server's does not. */
  | { readonly kind: 'deaf' }
  /** Every connection ends by RST, a new one as soon as it is accepted. */
  | { readonly kind: 'reset' }
  /** Every connection ends by FIN, a new one as soon as it is accepted: a proxy without a server. */
  | { readonly kind: 'slam' }
  /** Nothing listens. */
  | { readonly kind: 'refused' }
  /** The server's bytes arrive at this rate. */
  | { readonly kind: 'trickle'; readonly bytesPerSecond: number }
  /** The connection is reset after this number of bytes of the server, in the middle of a reply. */
  | { readonly kind: 'cut'; readonly afterBytes: number }
  /** The server's bytes are passed through this function; `at` is the place of the first one in its connection. */
  | { readonly kind: 'change'; readonly change: (bytes: Buffer, at: number) => void }

export interface FaultProxy {
  readonly port: number
  /** The port to which new connections lead. */
  readonly target: number
  /** Applies to the data from now on. */
  set(fault: Fault): Promise<void>
  /** New connections lead to this port from now on, as after a change of a DNS record. Open ones stay. */
  leadTo(port: number): void
  /** Listens at another address of this machine, on the same port; open connections end. */
  moveTo(address: string): Promise<void>
  /** Connections that are open now. */
  count(): number
  close(): Promise<void>
}

const NONE: Fault = { kind: 'none' }

/** Changes single bytes of a server: each at its place in the connection, by XOR with a mask. */
export function changedBytes(changes: readonly (readonly [place: number, mask: number])[]): Fault {
  return {
    kind: 'change',
    change(bytes, at) {
      for (const [place, mask] of changes) {
        const index = place - at
        const byte = bytes[index]
        if (byte !== undefined) bytes[index] = byte ^ mask
      }
    },
  }
}

/** A proxy in front of any server of this machine; ends with the test. */
export async function faultProxy(
  t: TestScope,
  targetPort: number,
  random = Math.random,
): Promise<FaultProxy> {
  const proxy = new TcpProxy(targetPort, random)
  await proxy.listen()
  t.teardown(() => proxy.close())
  return proxy
}

class TcpProxy implements FaultProxy {
  readonly #paths = new Set<Path>()
  readonly #random: () => number
  #target: number
  #fault: Fault = NONE
  #server: Server | undefined
  #port = 0
  #address = '127.0.0.1'

  constructor(target: number, random: () => number) {
    this.#target = target
    this.#random = random
  }

  get port(): number {
    return this.#port
  }

  get target(): number {
    return this.#target
  }

  async moveTo(address: string): Promise<void> {
    await this.#stopListening()
    this.#address = address
    await this.listen()
  }

  async listen(): Promise<void> {
    // Not one that `listen(0)` or an outgoing connection would get: nothing else takes it while the proxy refuses.
    if (this.#port === 0) this.#port = await freePort()
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#accept(client))
    this.#server.listen(this.#port, this.#address)
    await once(this.#server, 'listening')
  }

  async set(fault: Fault): Promise<void> {
    this.#fault = fault
    const isRefused = fault.kind === 'refused'
    if (isRefused) await this.#stopListening()
    for (const path of this.#paths) path.apply(fault)
    if (!isRefused && this.#server === undefined) await this.listen()
  }

  leadTo(port: number): void {
    this.#target = port
  }

  count(): number {
    return this.#paths.size
  }

  async close(): Promise<void> {
    await this.#stopListening()
  }

  async #stopListening(): Promise<void> {
    // Its `close` event would wait for every connection, also for one whose client does not end.
    this.#server?.close()
    this.#server = undefined
    for (const path of this.#paths) path.destroy()
    await new Promise((resolve) => setImmediate(resolve))
  }

  #accept(client: Socket): void {
    const { kind } = this.#fault
    client.on('error', () => {})
    if (kind === 'reset') client.resetAndDestroy()
    // Its data is read, so that it closes when the client has ended too.
    else if (kind === 'slam') client.resume().end()
    else {
      // A half-open path is one of the past: new connections are whole.
      const fault = kind === 'half-open' ? NONE : this.#fault
      const path: Path = new Path({ client, target: this.#target, random: this.#random, fault }, () => {
        this.#paths.delete(path)
      })
      this.#paths.add(path)
    }
  }
}

interface PathOptions {
  readonly client: Socket
  readonly target: number
  readonly random: () => number
  readonly fault: Fault
}

/** One connection of a client and the one to its server. */
class Path {
  readonly #client: Socket
  readonly #server: Socket
  readonly #random: () => number
  #fault: Fault
  #serverBytes = 0
  /** Since the fault began. */
  #faultBytes = 0
  #waiting: Buffer = Buffer.alloc(0)
  #trickle: NodeJS.Timeout | undefined
  readonly #lastAt = { client: 0, server: 0 }

  constructor({ client, target, random, fault }: PathOptions, onClose: () => void) {
    this.#client = client
    this.#random = random
    this.#fault = fault
    this.#server = connect({ port: target, host: '127.0.0.1', noDelay: true })
    this.#server.on('error', () => {})
    client.on('data', (bytes: Buffer) => this.#fromClient(bytes))
    client.on('end', () => this.#forwards('client') && this.#server.end())
    this.#server.on('data', (bytes: Buffer) => this.#fromServer(bytes))
    this.#server.on('end', () => this.#forwards('server') && this.#afterWaiting(() => this.#client.end()))
    client.on('close', () => {
      clearInterval(this.#trickle)
      this.#server.destroy()
      onClose()
    })
    this.#server.on('close', () => this.#forwards('server') && this.#afterWaiting(() => client.destroySoon()))
    this.apply(fault)
  }

  apply(fault: Fault): void {
    this.#fault = fault
    this.#faultBytes = 0
    clearInterval(this.#trickle)
    this.#trickle = undefined
    if (fault.kind === 'reset') this.#client.resetAndDestroy()
    else if (fault.kind === 'slam') this.#client.end()
    else if (fault.kind === 'trickle') this.#startTrickle(fault.bytesPerSecond)
    else if (this.#waiting.length > 0) {
      this.#client.write(this.#waiting)
      this.#waiting = Buffer.alloc(0)
    }
  }

  destroy(): void {
    this.#client.destroy()
  }

  #forwards(from: 'client' | 'server'): boolean {
    const { kind } = this.#fault
    return kind !== 'black hole' && kind !== 'half-open' && (kind !== 'deaf' || from === 'client')
  }

  #fromClient(bytes: Buffer): void {
    if (this.#forwards('client')) this.#later('client', () => this.#server.write(bytes))
  }

  #fromServer(bytes: Buffer): void {
    const fault = this.#fault
    const at = this.#serverBytes
    this.#serverBytes += bytes.length
    this.#faultBytes += bytes.length
    if (!this.#forwards('server')) return
    if (fault.kind === 'change') fault.change(bytes, at)
    if (fault.kind === 'trickle') this.#waiting = Buffer.concat([this.#waiting, bytes])
    else if (fault.kind === 'cut' && this.#faultBytes > fault.afterBytes) this.#cut(bytes, fault.afterBytes)
    else this.#later('server', () => this.#client.write(bytes))
  }

  #cut(bytes: Buffer, afterBytes: number): void {
    const kept = bytes.length - (this.#faultBytes - afterBytes)
    this.#client.write(bytes.subarray(0, Math.max(0, kept)), () => this.#client.resetAndDestroy())
    this.#server.destroy()
  }

  /** In order, after the latency if there is one. */
  #later(from: 'client' | 'server', forward: () => void): void {
    const fault = this.#fault
    if (fault.kind !== 'latency' && this.#lastAt[from] <= performance.now()) {
      forward()
      return
    }
    const delayMs = fault.kind === 'latency' ? fault.ms + this.#random() * (fault.jitterMs ?? 0) : 0
    this.#lastAt[from] = Math.max(this.#lastAt[from], performance.now() + delayMs)
    setTimeout(forward, this.#lastAt[from] - performance.now())
  }

  #startTrickle(bytesPerSecond: number): void {
    const perTick = Math.max(1, Math.round(bytesPerSecond / 10))
    const tickMs = (perTick / bytesPerSecond) * 1000
    this.#trickle = setInterval(() => {
      this.#client.write(this.#waiting.subarray(0, perTick))
      this.#waiting = this.#waiting.subarray(perTick)
    }, tickMs)
  }

  #afterWaiting(step: () => void): void {
    if (this.#waiting.length === 0) step()
  }
}
