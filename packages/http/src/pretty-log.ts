import { isatty } from 'node:tty'
import { styleText } from 'node:util'

export interface PrettyLogOptions {
  /** Receives text that ends with a line feed. */
  readonly output: { write(text: string): void }
  readonly colours: boolean
  /** How long equal warnings are counted before their number is printed. */
  readonly foldMs?: number
}

/** A line of pino. Its other properties are details. */
interface Entry {
  readonly level: string
  readonly time: number
  readonly msg?: string
  readonly err?: LoggedError
  readonly requestId?: string
}

interface LoggedError {
  readonly message?: string
  readonly code?: unknown
  readonly stack?: string
}

type Style = Parameters<typeof styleText>[0]

const FOLD_MS = 5_000

/** Printed in another form, or the same in each line of a process. */
const NO_DETAILS = new Set(['level', 'time', 'msg', 'err', 'service', 'version', 'pid', 'hostname'])

/** They differ between warnings that mean the same. */
const NOT_COMPARED = new Set(['requestId', 'traceId', 'spanId'])

const STYLES: Readonly<Record<string, Style>> = {
  fatal: ['white', 'bgRed'],
  error: 'red',
  warn: 'yellow',
  info: 'green',
  debug: 'blue',
  trace: 'gray',
}

/**
 * Makes the JSON lines of pino readable on a terminal. A warning or error that repeats is printed once, then as a number every few
 * seconds: while Postgres is unavailable, several parts of a service warn twice a second. Errors of requests are never folded. A warning
 * has no stack, because it stands for an expected state; an error has one.
 */
export class PrettyLog {
  readonly #options: PrettyLogOptions
  /** The warnings of the last interval, and how often each was repeated since its last line. */
  readonly #warnings = new Map<string, { line: string; repeated: number }>()
  #timer: NodeJS.Timeout | undefined

  constructor(options: PrettyLogOptions) {
    this.#options = options
  }

  /** @param line JSON with a line feed; another text is printed as it is */
  write(line: string): void {
    const entry = parse(line)
    if (entry === undefined) this.#options.output.write(line)
    else if (!isFoldable(entry) || this.#isNew(entry)) this.#options.output.write(`${this.#format(entry)}\n`)
  }

  /** Prints the number of each warning that was repeated. Called every `foldMs`, and at the end. */
  report(): void {
    const { output, foldMs = FOLD_MS } = this.#options
    for (const [key, warning] of this.#warnings) {
      if (warning.repeated === 0) this.#warnings.delete(key)
      else
        output.write(
          `${this.#style('yellow', `${warning.repeated} × in ${foldMs / 1000} s:`)} ${warning.line}\n`,
        )
      warning.repeated = 0
    }
    if (this.#warnings.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #isNew(entry: Entry): boolean {
    const key = keyOf(entry)
    const known = this.#warnings.get(key)
    if (known !== undefined) known.repeated++
    else this.#warnings.set(key, { line: this.#format(entry).split('\n', 1)[0] ?? '', repeated: 0 })
    this.#timer ??= setInterval(() => this.report(), this.#options.foldMs ?? FOLD_MS).unref()
    return known === undefined
  }

  #format(entry: Entry): string {
    const { level, time, msg = '', err } = entry
    const parts = [
      this.#style('gray', new Date(time).toTimeString().slice(0, 8)),
      this.#style(STYLES[level] ?? 'reset', level.toUpperCase().padEnd(5)),
      level === 'info' ? msg : this.#style('bold', msg),
    ]
    const details = detailsOf(entry).map(([name, value]) => `${name}=${textOf(value)}`)
    if (details.length > 0) parts.push(this.#style('gray', details.join(' ')))
    const line = parts.join(' ')
    return err === undefined ? line : `${line}: ${this.#formatError(err, level)}`
  }

  #formatError({ message = '', code, stack = '' }: LoggedError, level: string): string {
    const name = code === undefined ? message : `${message} (${String(code)})`
    if (level === 'warn' || stack === '') return name
    // The first line of the stack repeats the message.
    const frames = stack.split('\n').filter((line) => /^\s+at |caused by/.test(line))
    return [name, ...frames.map((line) => this.#style('gray', line))].join('\n')
  }

  #style(style: Style, text: string): string {
    return this.#options.colours ? styleText(style, text, { validateStream: false }) : text
  }
}

/** Whether to colour: on a terminal, or as `NO_COLOR` and `FORCE_COLOR` say. */
export function hasColours(environment: NodeJS.ProcessEnv): boolean {
  if (environment.NO_COLOR) return false
  return Boolean(environment.FORCE_COLOR) || isatty(1)
}

function parse(line: string): Entry | undefined {
  try {
    const entry = JSON.parse(line)
    return typeof entry.level === 'string' ? entry : undefined
  } catch {
    return undefined
  }
}

/** A developer who repeats a request wants to see its error again. */
function isFoldable({ level, requestId }: Entry): boolean {
  return level === 'warn' || (level === 'error' && requestId === undefined)
}

function detailsOf(entry: object): [name: string, value: unknown][] {
  return Object.entries(entry).filter(([name]) => !NO_DETAILS.has(name))
}

/** Equal for warnings that differ in numbers and ids only. */
function keyOf(entry: Entry): string {
  const texts = detailsOf(entry).filter(
    ([name, value]) => typeof value === 'string' && !NOT_COMPARED.has(name),
  )
  // The message of a warning may name a worker or an address; errors with one code may have different causes.
  const { code, message } = entry.err ?? {}
  return JSON.stringify([entry.msg, code, entry.level === 'warn' && code !== undefined ? '' : message, texts])
}

function textOf(value: unknown): string {
  return typeof value === 'string' && !/\s/.test(value) ? value : JSON.stringify(value)
}
