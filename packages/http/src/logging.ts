import { type FastifyBaseLogger, type FastifyReply, type FastifyRequest, LogController } from 'fastify'
import { pathOf } from './problems.ts'

export interface LogOptions {
  service: string
  version: string
  /** pino's level; `silent` for none. */
  level: string
  /** Where lines go, for tests; standard output when absent. */
  stream?: { write(line: string): void }
}

/** What never reaches the log, wherever an object carries it. */
const SECRETS = ['authorization', 'cookie', '["set-cookie"]', '["idempotency-key"]', 'password', 'token']

/** Fastify's logger options: JSON lines with the service's name, secrets removed, bodies and headers never logged. */
export function loggerOptions({ service, version, level, stream }: LogOptions) {
  return {
    level,
    base: { service, version },
    redact: { paths: SECRETS.flatMap(places), censor: '[redacted]' },
    ...(stream && { stream }),
  }
}

/** Fastify's own lines about single requests are replaced by {@link logRequest}; what tells of faults stays. */
export function createLogController(): LogController {
  return new QuietController({ requestIdLogLabel: 'requestId' })
}

/** The one line of a request, after its answer. The query is left out: it may hold what must not be kept. */
export function logRequest(request: FastifyRequest, reply: FastifyReply, status: number): void {
  request.log.info(
    {
      method: request.method,
      path: pathOf(request.raw.url ?? ''),
      route: request.routeOptions.url,
      status,
      ms: Math.round(reply.elapsedTime * 1000) / 1000,
      remote: request.ip,
    },
    'request',
  )
}

/**
 * A logger for one request that is only made when something is logged: most requests log nothing, and pino's
 * `child()` serialises its bindings each time.
 */
export function lazyChild(
  parent: FastifyBaseLogger,
  bindings: Record<string, unknown>,
  options: Parameters<FastifyBaseLogger['child']>[1],
): FastifyBaseLogger {
  return new LazyLogger(parent, bindings, options) as unknown as FastifyBaseLogger
}

function places(secret: string): string[] {
  const join = (prefix: string) => (secret.startsWith('[') ? `${prefix}${secret}` : `${prefix}.${secret}`)
  return [secret, join('headers'), join('req.headers'), join('res.headers'), join('err'), join('*')]
}

/** A class since Fastify asks for `instanceof LogController`. */
class QuietController extends LogController {
  override incomingRequest(): void {}
  override requestCompleted(): void {}
  override routeNotFound(): void {}
}

type Level = 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent'

/** A class for its prototype: eight closures a request would cost what the child does. */
class LazyLogger {
  #parent: FastifyBaseLogger
  #bindings: Record<string, unknown>
  #options: Parameters<FastifyBaseLogger['child']>[1]
  #child: FastifyBaseLogger | undefined

  constructor(
    parent: FastifyBaseLogger,
    bindings: Record<string, unknown>,
    options: Parameters<FastifyBaseLogger['child']>[1],
  ) {
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
