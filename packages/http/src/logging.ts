import { Counter, type Registry } from '@prometheus-io/client'
import type { Output } from '@reference/cli'
import { type FastifyBaseLogger, type FastifyReply, type FastifyRequest, LogController } from 'fastify'
import { type Logger, pino } from 'pino'
import { clientAddress } from './client-address.ts'
import { pathOf } from './problems.ts'
import { logMixin } from './tracing.ts'

export interface LogOptions {
  service: string
  version: string
  /** pino's level; `silent` for none. */
  level: string
  /** Receives each line. */
  stream: { write(line: string): void }
}

/** Names of properties that are removed from every log line, wherever an object has them. */
const SECRETS = ['authorization', 'cookie', '["set-cookie"]', '["idempotency-key"]', 'password', 'token']

/**
 * Creates the logger: JSON lines with the service's name, without secrets. Bodies and headers are never logged.
 *
 * Fastify creates a child logger for each request, and few requests log. Here the child is created when it is used first:
 * 10 ns instead of 800.
 */
export function createLogger({ service, version, level, stream }: LogOptions): FastifyBaseLogger {
  const redact = { paths: SECRETS.flatMap(places), censor: '[redacted]' }
  const mixin = logMixin()
  const logger = pino(
    // The level by its name: Loki uses it as a label, and it is readable without a table.
    {
      level,
      base: { service, version },
      redact,
      formatters: { level: (name) => ({ level: name }) },
      ...(mixin && { mixin }),
    },
    stream,
  )
  // Fastify's first child is its root logger, with its serialisers; the children of the root belong to requests.
  return overrideChild(logger, (bindings, options) => {
    const root = logger.child(bindings, options)
    return overrideChild(root, (...request) => new LazyLogger(root, ...request) as unknown as Logger)
  })
}

/**
 * Reports the lines that were dropped because standard output was full: as a metric, and in one log line once the reader
 * has caught up.
 *
 * An {@link Output} is used in place of `pino.destination()`; `Output` explains why it must not block. A line into a pipe
 * costs the same CPU: 0.83 times as much in the median of 8 pairs of processes with 50,000 request lines each, from 0.64
 * to 1.63 on a busy machine.
 */
export function watchOutput(
  output: Output,
  { logger, registry }: { logger: FastifyBaseLogger; registry: Registry | undefined },
): void {
  output.onRecovery((droppedLines) =>
    logger.warn({ droppedLines }, 'log lines were dropped while standard output was not read'),
  )
  if (registry === undefined) return
  new Counter({
    name: 'log_lines_dropped_total',
    help: 'Log lines dropped because standard output was not read',
    registers: [registry],
    collect() {
      this.reset()
      this.inc(output.droppedLines)
    },
  })
}

/** Turns off Fastify's own request lines, which {@link createRequestLog} replaces; its lines about faults stay. */
export function createLogController(): LogController {
  return new QuietController({ requestIdLogLabel: 'requestId' })
}

/**
 * Creates the writer of the log line of a request, written after its reply. The query is left out because it may contain
 * secrets. The line has fixed fields without secrets and skips the redaction, which takes six times as long.
 */
export function createRequestLog(log: FastifyBaseLogger) {
  const lines = log.child({}, { redact: [] })
  return (request: FastifyRequest, reply: FastifyReply, status: number, traceId?: string): void => {
    lines.info(
      {
        requestId: request.id,
        method: request.method,
        path: pathOf(request.raw.url ?? ''),
        route: request.routeOptions.url,
        status,
        ms: Math.round(reply.elapsedTime * 1000) / 1000,
        remote: clientAddress(request),
        ...(traceId !== undefined && { traceId }),
      },
      'request',
    )
  }
}

type Child = (bindings: Record<string, unknown>, options?: ChildOptions) => Logger
type ChildOptions = NonNullable<Parameters<FastifyBaseLogger['child']>[1]>

function overrideChild(logger: Logger, child: Child): Logger {
  return Object.assign(Object.create(logger), { child })
}

function places(secret: string): string[] {
  const join = (prefix: string) => (secret.startsWith('[') ? `${prefix}${secret}` : `${prefix}.${secret}`)
  return [secret, join('headers'), join('req.headers'), join('res.headers'), join('err'), join('*')]
}

/** A class because Fastify checks `instanceof LogController`. */
class QuietController extends LogController {
  override incomingRequest(): void {}
  override requestCompleted(): void {}
  override routeNotFound(): void {}

  /** A client that leaves during a long reply is no event of the service: the metrics count it as 499. */
  override streamError(...args: Parameters<LogController['streamError']>): void {
    const [error, , reply] = args
    if ((error as NodeJS.ErrnoException).code === 'ERR_STREAM_PREMATURE_CLOSE')
      reply.log.debug('the client left during the reply')
    else super.streamError(...args)
  }
}

type Level = 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent'

/** A class for its prototype: eight closures a request would cost as much as the child logger. */
class LazyLogger {
  #parent: FastifyBaseLogger
  #bindings: Record<string, unknown>
  #options: ChildOptions | undefined
  #child: FastifyBaseLogger | undefined

  constructor(parent: FastifyBaseLogger, bindings: Record<string, unknown>, options?: ChildOptions) {
    this.#parent = parent
    this.#bindings = bindings
    this.#options = options
  }

  #real(): FastifyBaseLogger {
    this.#child ??= this.#parent.child(this.#bindings, this.#options)
    return this.#child
  }

  #log(level: Level, args: unknown[]): void {
    const real = this.#real()
    Reflect.apply(real[level], real, args)
  }

  get level() {
    return this.#real().level
  }

  child(...args: Parameters<FastifyBaseLogger['child']>): FastifyBaseLogger {
    return this.#real().child(...args)
  }

  fatal(...args: unknown[]): void {
    this.#log('fatal', args)
  }
  error(...args: unknown[]): void {
    this.#log('error', args)
  }
  warn(...args: unknown[]): void {
    this.#log('warn', args)
  }
  info(...args: unknown[]): void {
    this.#log('info', args)
  }
  debug(...args: unknown[]): void {
    this.#log('debug', args)
  }
  trace(...args: unknown[]): void {
    this.#log('trace', args)
  }
  silent(...args: unknown[]): void {
    this.#log('silent', args)
  }
}
