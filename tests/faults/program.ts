import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { freePort, until } from '@reference/local-stack'
import type { Orders } from './agent.ts'
import { call } from './call.ts'

const START_MS = 60_000

let programs = 0

const AGENT = pathToFileURL(join(import.meta.dirname, 'agent.ts')).href

export interface ProgramOptions {
  /** The file that Node starts. */
  readonly main: string
  readonly environment: Readonly<Record<string, string>>
  /** For the orders of the agent, and its working files. */
  readonly folder: string
}

export interface StartOptions {
  /** Options of Node. */
  readonly node?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly maxFiles?: number
}

/** A service as a process that faults may end; it keeps its port when it starts again. */
export class Program {
  readonly #options: ProgramOptions
  readonly #ordersFile: string
  #port = 0
  #child: ChildProcess | undefined
  #log = ''

  constructor(options: ProgramOptions) {
    this.#options = options
    this.#ordersFile = join(options.folder, `orders-${programs++}.json`)
  }

  get origin(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  get port(): number {
    return this.#port
  }

  get child(): ChildProcess {
    if (this.#child === undefined) throw new Error(`${this.#options.main} has not been started`)
    return this.#child
  }

  /** What it has printed since its last start. */
  get log(): string {
    return this.#log
  }

  get isAlive(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Resolves when it answers `/health`. */
  async start({ node = [], environment = {}, maxFiles }: StartOptions = {}): Promise<void> {
    const { main, folder } = this.#options
    this.#port ||= await freePort()
    this.#log = ''
    const command = [process.execPath, ...node, '--import', AGENT, main]
    const shell = ['/bin/sh', '-c', `ulimit -n ${maxFiles} && exec "$0" "$@"`, ...command]
    const [file = '', ...args] = maxFiles === undefined ? command : shell
    const child = spawn(file, args, {
      cwd: folder,
      env: {
        PATH: process.env.PATH,
        ...this.#options.environment,
        ...environment,
        PORT: String(this.#port),
        FAULT_ORDERS: this.#ordersFile,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child = child
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (part: Buffer) => {
        this.#log += part.toString()
      })
    }
    const answers = async () => {
      if (!this.isAlive) throw new Error(`${main} ended: ${this.#log.slice(-2000)}`)
      return (await call(this.origin, 'GET', '/health')).outcome === '200'
    }
    await until(`${main} answers`, answers, START_MS)
  }

  /** @param signal of the process that reads them; names need none */
  order(orders: Orders, signal = false): void {
    writeFileSync(this.#ordersFile, JSON.stringify(orders))
    if (signal) this.child.kill('SIGUSR2')
  }

  /** Resolves with its exit code, or with the signal that ended it. */
  async ended(): Promise<number | string | null> {
    if (this.isAlive) await once(this.child, 'exit')
    return this.child.exitCode ?? this.child.signalCode
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<number | string | null> {
    if (!this.isAlive) return this.#child?.exitCode ?? null
    this.child.kill(signal)
    if (signal === 'SIGKILL') this.child.kill('SIGCONT')
    return this.ended()
  }
}
