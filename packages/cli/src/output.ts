import { closeSync, constants, fstatSync, openSync, writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

export interface OutputOptions {
  /** Lines that may wait for the reader, in bytes; a line beyond that is dropped and counted. */
  maxWaitingBytes?: number
}

/**
 * Some 15,000 request lines: the reader of a service at 5,000 requests a second may pause for three seconds. A log that is
 * never read must not become the memory of the service.
 */
const MAX_WAITING_BYTES = 4 * 1024 * 1024

/** How soon a full pipe is tried again: with the 64 KiB of a pipe on Linux up to 32 MB/s. */
const FULL_RETRY_MS = 2

/** How soon a descriptor that fails for another reason (ENOSPC, EPIPE, EIO) is tried again. */
const FAULT_RETRY_MS = 1000

type State = 'ready' | 'full' | 'faulty'

/**
 * Writes lines to a descriptor and never waits for its reader.
 *
 * A plain `write` to a pipe that is not read blocks the thread inside the kernel: no timer runs and no signal is handled,
 * so that the process can only be killed. An asynchronous write of `node:fs` blocks a thread of libuv's pool instead, and
 * `process.exit()` waits for those threads. So the descriptor is non-blocking; lines that it does not take wait in
 * memory, in order, up to a bound.
 *
 * Each line is written at once, in one system call, as `pino.destination()` does: a process that is killed has lost
 * nothing that its reader had room for.
 */
export class Output {
  readonly #fd: number
  readonly #owned: boolean
  readonly #maxWaitingBytes: number
  #state: State = 'ready'
  /** The rest of a write that the descriptor took in part. */
  #rest: Buffer = Buffer.alloc(0)
  #lines: string[] = []
  #waitingBytes = 0
  #droppedLines = 0
  #droppedSinceReady = 0
  #timer: NodeJS.Timeout | undefined
  #recovered: (droppedLines: number) => void = () => {}

  /** @param fd stays open; `close()` ends only what this opened */
  constructor(fd: number, { maxWaitingBytes = MAX_WAITING_BYTES }: OutputOptions = {}) {
    const { fd: own, owned } = openNonBlocking(fd)
    this.#fd = own
    this.#owned = owned
    this.#maxWaitingBytes = maxWaitingBytes
  }

  /** Lines that found no room, since the start. */
  get droppedLines(): number {
    return this.#droppedLines
  }

  get waitingBytes(): number {
    return this.#waitingBytes
  }

  /** Calls `listener` with the number of lines that were dropped, each time that the reader has caught up again. */
  onRecovery(listener: (droppedLines: number) => void): void {
    this.#recovered = listener
  }

  /** @param line with its line feed */
  write(line: string): void {
    if (this.#state === 'ready') this.#send(line)
    else this.#keep(line)
  }

  /** Writes the waiting lines as far as the descriptor takes it, now. */
  flushNow(): void {
    if (this.#state !== 'ready') this.#drain()
  }

  /** Resolves when nothing waits any more, when the descriptor fails, or after `limitMs`. */
  async flush(limitMs: number): Promise<void> {
    const end = performance.now() + limitMs
    this.flushNow()
    while (this.#state === 'full' && performance.now() < end) {
      await sleep(FULL_RETRY_MS)
      this.flushNow()
    }
  }

  close(): void {
    clearTimeout(this.#timer)
    if (this.#owned) closeSync(this.#fd)
  }

  #send(line: string): void {
    const bytes = Buffer.byteLength(line)
    let written = 0
    try {
      written = writeSync(this.#fd, line)
    } catch (error) {
      this.#pause(error)
      this.#keep(line)
      return
    }
    if (written === bytes) return
    this.#rest = Buffer.from(line).subarray(written)
    this.#waitingBytes = this.#rest.length
    this.#pause(undefined)
  }

  #keep(line: string): void {
    const bytes = Buffer.byteLength(line)
    if (this.#waitingBytes + bytes > this.#maxWaitingBytes) {
      this.#droppedLines += 1
      this.#droppedSinceReady += 1
      return
    }
    this.#lines.push(line)
    this.#waitingBytes += bytes
  }

  #drain(): void {
    try {
      while (this.#waitingBytes > 0) {
        if (this.#rest.length === 0) {
          this.#rest = Buffer.from(this.#lines.join(''))
          this.#lines = []
        }
        const written = writeSync(this.#fd, this.#rest)
        this.#rest = this.#rest.subarray(written)
        this.#waitingBytes -= written
      }
    } catch (error) {
      this.#pause(error)
      return
    }
    clearTimeout(this.#timer)
    this.#rest = Buffer.alloc(0)
    this.#state = 'ready'
    const dropped = this.#droppedSinceReady
    this.#droppedSinceReady = 0
    if (dropped > 0) this.#recovered(dropped)
  }

  #pause(error: unknown): void {
    const full = error === undefined || (error as NodeJS.ErrnoException).code === 'EAGAIN'
    this.#state = full ? 'full' : 'faulty'
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#drain(), full ? FULL_RETRY_MS : FAULT_RETRY_MS)
    this.#timer.unref()
  }
}

let standardOutput: Output | undefined

/** The {@link Output} of the process's standard output. It writes what still waits when the process exits, without waiting. */
export function getStandardOutput(): Output {
  if (standardOutput === undefined) {
    // Not process.stdout.fd: that makes the stream, and with it the flag on what others share.
    const output = new Output(1)
    process.on('exit', () => output.flushNow())
    standardOutput = output
  }
  return standardOutput
}

/**
 * A descriptor that answers EAGAIN instead of blocking.
 *
 * The flag belongs to what `open` made, which other processes share: setting it there makes their writes fail. Linux
 * opens a pipe or a terminal anew by its name under /proc, with flags of its own. Sockets cannot be opened by a name, nor
 * pipes of other systems, nor a pipe of another user's; there Node's own stream sets the flag, and Node resets it at the exit.
 * A regular file has no reader that could be waited for.
 */
function openNonBlocking(fd: number): { fd: number; owned: boolean } {
  const stat = fstatSync(fd)
  if (stat.isFile()) return { fd, owned: false }
  if (!stat.isSocket()) {
    try {
      const flags = constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY
      return { fd: openSync(`/proc/self/fd/${fd}`, flags), owned: true }
    } catch {
      // Not on this system, or not allowed.
    }
  }
  // Making the stream is what sets the flag.
  if (fd === 1) void process.stdout
  if (fd === 2) void process.stderr
  return { fd, owned: false }
}
