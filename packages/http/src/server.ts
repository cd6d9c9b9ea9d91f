import { getStandardOutput } from '@reference/cli'
import Fastify, {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyReply,
  type FastifyRequest,
  type FastifySchema,
  type RouteOptions,
} from 'fastify'
import type { Registry } from 'prom-client'
import { createAllowed, methodNotAllowed } from './allow.ts'
import { type AuthToken, addCaller, createAuth } from './auth.ts'
import { type TrustProxy, trustFunction } from './client-address.ts'
import { addCompression } from './compression.ts'
import { type Connections, createConnections } from './connections.ts'
import { addDocs } from './docs.ts'
import { createFollower, type Follower } from './follow.ts'
import { createHealth, type Dependency } from './health.ts'
import { jsonBodyParser } from './json-body.ts'
import { createLifecycle } from './lifecycle.ts'
import { createLogController, createLogger, watchOutput } from './logging.ts'
import { createRequestMetrics } from './metrics.ts'
import { connectionLimit } from './open-files.ts'
import { addOperations, type Operations } from './operations.ts'
import { addOverload, type OverloadOptions } from './overload.ts'
import { pathOf, problem, sendProblem } from './problems.ts'
import { protocolFault } from './protocol.ts'
import { addRateLimit } from './rate-limit.ts'
import { createRequestIds, type RequestIds } from './request-id.ts'
import { createTracing } from './tracing.ts'
import type { App } from './types.ts'
import { AJV_OPTIONS, makeStrict, validationProblem } from './validation.ts'

export interface ServerOptions {
  /** The service's name: in each log line and as the title of its OpenAPI. */
  service: string
  version: string
  /** The revision that runs, for `build_info`. */
  commit?: string | undefined
  /** pino's level, `silent` for none. */
  logLevel?: string
  /** Where log lines go, for tests; standard output when absent. */
  logStream?: { write(line: string): void }
  /** One line for each request; 5xx are logged either way, and so is a request whose trace is kept: the trace leads to its line. */
  requestLog?: boolean
  /** The largest body, above it 413. */
  bodyLimitBytes?: number
  /** Compress replies from 1,000 bytes on their way out. */
  compression?: boolean
  /** Serialise by the routes' response schemas; off: plain `JSON.stringify`. OpenAPI shows them either way. */
  responseSchemas?: boolean
  /** Metrics go here and `/metrics` shows it; without it there is neither. */
  registry?: Registry | undefined
  /** `/metrics` and `/services` leave the public port for this one. */
  internalPort?: number | undefined
  auth?: 'off' | 'token'
  authTokens?: readonly AuthToken[]
  /** Requests a second and address; off when absent. */
  rateLimitRps?: number | undefined
  /**
   * Whose `x-forwarded-for` is believed: false, addresses and subnets, or how many proxies stand in front, when nobody
   * gets here but through them. `true` believes all of the list, also what the client wrote itself.
   */
  trustProxy?: TrustProxy
  /** What `/ready` and `/services` ask. */
  dependencies?: readonly Dependency[]
  /** Further systems for `/services` alone. */
  systems?: readonly Dependency[]
  /** The time limit of each check. */
  checkTimeoutMs?: number
  overload?: OverloadOptions
  /** Connections that the service opens at most: database, Redis, upstream. They count against the limit of open files. */
  outgoingConnections?: number
  /** Connections of callers; what the limit of open files leaves unless given. */
  maxConnections?: number | undefined
  /** How long a request's header may take to come, else 408. */
  headersTimeoutMs?: number
  /** How long a whole request may take to come, else 408. */
  requestTimeoutMs?: number
}

declare module 'fastify' {
  interface FastifyInstance {
    operations: Operations
    connections: Connections
  }
}

/** nginx keeps idle upstream connections for 60 s; the side that sends requests must be the one that closes. */
const KEEP_ALIVE_MS = 65_000

/**
 * Makes the Fastify instance that both services build on: strict input, problem+json errors, request ids, metrics,
 * health, compression, documentation, overload protection. Register routes on what it resolves with, then
 * hand it to `runServer`; whoever does not must `close()` it.
 */
export async function createServer(options: ServerOptions): Promise<App> {
  const { service, version, compression = true, auth = 'off', authTokens = [], rateLimitRps } = options
  const { dependencies = [], systems = [], checkTimeoutMs = 2000, registry, internalPort } = options
  const { logLevel = 'info', logStream, requestLog = false, trustProxy = false } = options
  const lifecycle = createLifecycle()
  const stream = logStream ?? getStandardOutput()
  const logger = createLogger({ service, version, level: logLevel, stream })
  if (logStream === undefined) watchOutput(getStandardOutput(), { logger, registry })
  const requestIds = createRequestIds()
  const follower = createFollower({
    lifecycle,
    metrics:
      registry &&
      createRequestMetrics(registry, lifecycle, { service, version, commit: options.commit ?? '' }),
    logger,
    requestLog,
    requestIds,
  })
  const app = createFastify(options, { logger, requestIds, follower })
  app.decorate('lifecycle', lifecycle)
  const { maxConnections = connectionLimit(options.outgoingConnections ?? 0) } = options
  app.decorate('connections', createConnections(app.server, { lifecycle, logger, registry, maxConnections }))

  app.removeContentTypeParser(['application/json', 'text/plain'])
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, jsonBodyParser)
  app.setSchemaErrorFormatter(validationProblem)
  if (options.responseSchemas === false) app.setSerializerCompiler(() => JSON.stringify)
  app.setErrorHandler(sendProblem)

  const allowed = createAllowed()
  app.setNotFoundHandler((request, reply) => sendProblem(notFound(request, reply, allowed), request, reply))
  addCaller(app)
  if (auth === 'token' && authTokens.length === 0) {
    app.log.warn('AUTH is token but there is no token: every call that needs one will be refused')
  }
  const check = createAuth(authTokens)
  app.addHook('onRoute', (route) => {
    allowed.add(route)
    makeStrict(route)
    if (auth === 'token') protect(route, check)
  })

  const beginTrace = createTracing()
  app.addHook('onRequest', (request, reply, done) => {
    const traced = beginTrace(request, reply)
    follower.follow(request, reply, traced)
    const fault = protocolFault(request.raw)
    const goOn = () => done(fault)
    if (lifecycle.held) lifecycle.held.push(traced ? () => traced.run(goOn) : goOn)
    else if (traced) traced.run(goOn)
    else done(fault)
  })
  addOverload(app, options.overload ?? {})
  if (rateLimitRps !== undefined) await addRateLimit(app, rateLimitRps, { proxied: trustProxy !== false })
  if (compression) await addCompression(app)
  await addDocs(app, { service, version, auth: auth === 'token' })
  const health = createHealth({ dependencies, systems, checkTimeoutMs, lifecycle })
  app.decorate('operations', addOperations(app, { health, registry, internalPort, requestIds }))
  return app
}

function createFastify(
  options: ServerOptions,
  parts: { logger: FastifyBaseLogger; requestIds: RequestIds; follower: Follower },
): App {
  const { bodyLimitBytes = 1024 * 1024, trustProxy = false } = options
  const { headersTimeoutMs = 20_000, requestTimeoutMs = 60_000 } = options
  const { logger, requestIds, follower } = parts
  const app = Fastify({
    loggerInstance: logger,
    logController: createLogController(),
    genReqId: requestIds,
    requestIdHeader: false,
    bodyLimit: bodyLimitBytes,
    trustProxy: trustFunction(trustProxy),
    keepAliveTimeout: KEEP_ALIVE_MS,
    requestTimeout: requestTimeoutMs,
    // Node looks for late requests every 30 s only; a limit of 20 s would mean anything up to 50.
    http: {
      // protocolFault() looks at it instead.
      requireHostHeader: false,
      headersTimeout: headersTimeoutMs,
      connectionsCheckingInterval: Math.min(5000, headersTimeoutMs / 4),
    },
    // A request that comes while the listener closes is answered all the same, with `connection: close`.
    return503OnClosing: false,
    // A parameter may be as long as a header lets it be: what it may hold, its schema says.
    routerOptions: { maxParamLength: 32_768 },
    ajv: { customOptions: AJV_OPTIONS },
    frameworkErrors: (error, request, reply) => refuseUnrouted(follower, error, request, reply),
    clientErrorHandler: follower.refuse,
  }) as unknown as App
  // Without a listener Node answers 417 without a body; as a request like others protocolFault() refuses it.
  app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response))
  return app
}

/** What Fastify refuses before there is a route, such as `/%ff`; no hook sees it. */
function refuseUnrouted(follower: Follower, error: FastifyError, request: unknown, reply: unknown): void {
  follower.follow(request as FastifyRequest, reply as FastifyReply)
  sendProblem(error, request as FastifyRequest, reply as FastifyReply)
}

function notFound(request: FastifyRequest, reply: FastifyReply, allowed: ReturnType<typeof createAllowed>) {
  const path = pathOf(request.raw.url ?? '/')
  const methods = allowed.methodsFor(path)
  if (methods.length === 0) return problem(404, 'NOT_FOUND', 'There is nothing at this path')
  reply.header('allow', methods.join(', '))
  return methodNotAllowed(methods.join(', '))
}

function protect(route: RouteOptions, check: ReturnType<typeof createAuth>): void {
  const scope = route.config?.scope
  if (!scope) return
  const existing = route.onRequest ?? []
  route.onRequest = [check(scope), ...(Array.isArray(existing) ? existing : [existing])]
  const schema: FastifySchema = route.schema ?? {}
  schema.security = [{ bearer: [] }]
  route.schema = schema
}
