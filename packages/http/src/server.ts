import { createServer as createNodeServer, type Server as HttpServer, type RequestListener } from 'node:http'
import type { Registry } from '@prometheus-io/client'
import { getStandardOutput } from '@reference/cli'
import { AppError } from '@reference/errors'
import Fastify, {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyReply,
  type FastifyRequest,
  type FastifySchema,
  type RouteOptions,
} from 'fastify'
import { type AllowedMethods, createAllowedMethods, methodNotAllowed } from './allowed-methods.ts'
import { addCaller, createAuth } from './auth.ts'
import { BodyBudget } from './body-budget.ts'
import { type TrustProxy, trustFunction } from './client-address.ts'
import { addCompression } from './compression.ts'
import { Connections } from './connections.ts'
import { Cors } from './cors.ts'
import { addDocs } from './docs.ts'
import { type Condition, createHealth, type Dependency } from './health.ts'
import { handedOver } from './hot-handover.ts'
import { addHotRoutes, HotRoutes } from './hot-routes.ts'
import { createJsonBodyParser } from './json-body.ts'
import { createJwtCheck, type JwtCheck, type JwtOptions } from './jwt.ts'
import { discardBody, hasBody, KEEP_ALIVE_MS } from './kept-connection.ts'
import { createLifecycle } from './lifecycle.ts'
import { createLogController, createLogger, watchOutput } from './logging.ts'
import { createRequestMetrics } from './metrics.ts'
import { connectionLimit } from './open-files.ts'
import type { ApiInfo } from './openapi.ts'
import { addOperations, type Operations } from './operations.ts'
import { addOverload, type OverloadOptions, watchOverload } from './overload.ts'
import { inOrder } from './pipeline.ts'
import { pathOf, sendProblem } from './problems.ts'
import { protocolFault } from './protocol.ts'
import { addRateLimit, createRequestLimit, type RequestLimit, refusalOf } from './rate-limit.ts'
import { RateLimiter, type SharedCounts } from './rate-limiter.ts'
import { addRefusalLog, type RefusalLog } from './refusal-log.ts'
import { createRequestIds, type RequestIds } from './request-id.ts'
import { createRequestTracker, type RequestTracker } from './request-tracker.ts'
import { onlyReads, withFirst } from './route-hooks.ts'
import { securityHeaders } from './security-headers.ts'
import { type AuthToken, createKnownTokens } from './tokens.ts'
import { createTracing } from './tracing.ts'
import type { App } from './types.ts'
import { AJV_OPTIONS, makeStrict, validationProblem } from './validation.ts'

export interface ServerOptions {
  /** The name of the service, in each log line. */
  service: string
  /** The title of the OpenAPI document and of `/docs`; the name of the service unless given. */
  title?: string
  /** The introduction of the OpenAPI document and of `/docs`, in Markdown. */
  description?: string
  /** The version of the service, in each log line, its OpenAPI document and `build_info`. */
  version: string
  /** The running revision, for `build_info`. */
  commit?: string | undefined
  /** pino's level, `silent` for none. */
  logLevel?: string
  /** `pretty`: for people, without a stack of a warning, and equal warnings folded. Without effect on `logStream`. */
  logFormat?: 'json' | 'pretty'
  /** Receives the log lines, for tests; standard output by default. */
  logStream?: { write(line: string): void }
  /** One line for each request. A 5xx, and a request whose trace is kept, are always logged. */
  requestLog?: boolean
  /** The largest accepted body; a larger one is answered with 413. */
  bodyLimitBytes?: number
  /** Compress replies of 1,000 bytes and more. */
  compression?: boolean
  /** Answer hot routes before Fastify; see `hot-routes.ts`. */
  fastPath?: boolean
  /** Serialise by the routes' response schemas; off: `JSON.stringify`. OpenAPI shows the schemas either way. */
  responseSchemas?: boolean
  /** The registry of the metrics, shown by `/metrics`. Without it there are neither. */
  registry?: Registry | undefined
  /** Serves `/metrics` and `/services` on this port in place of the public one. */
  internalPort?: number | undefined
  /** `token`: calls with a scope need one of `authTokens`; `jwt`: a token of the issuer of `jwt`. */
  auth?: 'off' | 'token' | 'jwt'
  authTokens?: readonly AuthToken[]
  jwt?: JwtOptions | undefined
  /** Invalid tokens a minute from each client address, after which its tokens are refused unseen. */
  authFailuresPerMinute?: number
  /** Requests a second for each client address; unlimited by default. */
  rateLimitRps?: number | undefined
  /** Addresses and subnets without that limit. */
  rateLimitExempt?: readonly string[] | undefined
  /** The counts of both limits that all processes of the service share; undefined while there are none. */
  sharedCounts?: () => SharedCounts | undefined
  /**
   * Which senders' `x-forwarded-for` is trusted: `false`, addresses and subnets, or the number of proxies in front, when
   * clients can connect only through them. `true` trusts the whole list, including entries that the client wrote.
   */
  trustProxy?: TrustProxy
  /** Sets `x-content-type-options` and `content-security-policy` on each reply. */
  securityHeaders?: boolean
  /** Sets `strict-transport-security` for this time. */
  hstsSeconds?: number | undefined
  /** Origins, such as `https://shop.example`, whose scripts may call the API. */
  corsOrigins?: readonly string[] | undefined
  /** The systems that `/ready` and `/services` check. */
  dependencies?: readonly Dependency[]
  /** Further systems that only `/services` checks. */
  systems?: readonly Dependency[]
  /** Conditions of the service itself that `/ready` checks. */
  conditions?: readonly Condition[]
  /** The time limit of each check. */
  checkTimeoutMs?: number
  overload?: OverloadOptions
  /** The largest number of connections that the service opens: database, Redis, upstream. They use up open files. */
  outgoingConnections?: number
  /** Connections of clients; by default as many as the limit of open files allows. */
  maxConnections?: number | undefined
  /** Connections of each client address. Not for use behind a proxy, which has one address. */
  maxConnectionsPerAddress?: number | undefined
  /** How long a client may take almost nothing of its replies; then its connection is closed. */
  sendTimeoutMs?: number | undefined
  /** The memory of all bodies at the same time, parsed ones included; by default an eighth of the heap. */
  bodyBudgetBytes?: number | undefined
  /** Serve `/docs` and `/openapi.json`. */
  docs?: boolean
  /** How long the header of a request may take to arrive, else 408. */
  headersTimeoutMs?: number
  /** How long a whole request may take to arrive, else 408. */
  requestTimeoutMs?: number
}

declare module 'fastify' {
  interface FastifyInstance {
    operations: Operations
    connections: Connections
    refusals: RefusalLog
  }
}

/**
 * Creates a Fastify instance with strict input, problem+json errors, request ids, metrics, health, compression,
 * documentation and overload protection. Add routes to it, then pass it to `runServer`, or `close()` it.
 */
export async function createServer(options: ServerOptions): Promise<App> {
  const { service, version, compression = true } = options
  const { registry, internalPort } = options
  const { logLevel = 'info', logStream, requestLog = false } = options
  const lifecycle = createLifecycle()
  const stream = logStream ?? (await logOutput(options))
  const logger = createLogger({ service, version, level: logLevel, stream })
  if (logStream === undefined) watchOutput(getStandardOutput(), { logger, registry })
  const requestIds = createRequestIds()
  const headers = options.securityHeaders === false ? {} : securityHeaders(options)
  const cors = options.corsOrigins && new Cors(options.corsOrigins)
  const tracker = createRequestTracker({
    headers,
    lifecycle,
    metrics:
      registry &&
      createRequestMetrics(registry, lifecycle, { service, version, commit: options.commit ?? '' }),
    logger,
    requestLog,
    requestIds,
  })
  const overload = watchOverload(options.overload ?? {})
  const rateLimit = requestLimitOf(options)
  const hot =
    options.fastPath === false || requestLog
      ? undefined
      : new HotRoutes({
          lifecycle,
          tracker,
          requestIds,
          overload,
          compression,
          rateLimit,
          headers,
          cors: cors !== undefined,
        })
  const app = createFastify(options, { logger, requestIds, tracker, hot, rateLimit })
  app.decorate('lifecycle', lifecycle)
  addRefusalLog(app)
  const { maxConnections = connectionLimit(options.outgoingConnections ?? 0) } = options
  const { maxConnectionsPerAddress: maxPerAddress, sendTimeoutMs } = options
  app.decorate(
    'connections',
    new Connections(app.server, {
      lifecycle,
      logger,
      registry,
      maxConnections,
      maxPerAddress,
      sendTimeoutMs,
    }),
  )

  const budget = new BodyBudget(options.bodyBudgetBytes)
  app.removeContentTypeParser(['application/json', 'text/plain'])
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, createJsonBodyParser(budget))
  app.setSchemaErrorFormatter(validationProblem)
  if (options.responseSchemas === false) app.setSerializerCompiler(() => JSON.stringify)
  app.setErrorHandler(sendProblem)

  const allowed = createAllowedMethods()
  addCaller(app)
  const auth = await authOf(app, options)
  const guard = addOverload(app, overload, registry, options.overload)
  app.addHook('onRoute', (route) => {
    allowed.add(route)
    const load = guard.loadOf(route)
    // Before hooks of this package are added: hooks of a service keep a route with Fastify.
    hot?.add(route, { guarded: auth !== undefined && route.config?.scope !== undefined, guard, load })
    makeStrict(route)
    admitBodies(route, budget)
    if (auth) protect(route, auth.hookOf)
    guard.protect(route, load)
  })

  addRequestHooks(app, { tracker, cors, rateLimit, allowed })
  if (compression) await addCompression(app)
  if (options.docs !== false) addDocs(app, infoOf(options))
  const health = createHealth({ ...healthOptions(options, auth), lifecycle, overload: guard.check })
  app.decorate('operations', addOperations(app, { health, registry, internalPort, requestIds }))
  if (hot) addHotRoutes(app, hot, registry)
  return app
}

/** What happens to each request before its handler, in this order. */
function addRequestHooks(
  app: App,
  parts: {
    readonly tracker: RequestTracker
    readonly cors: Cors | undefined
    readonly rateLimit: RequestLimit | undefined
    readonly allowed: AllowedMethods
  },
): void {
  const { tracker, cors, rateLimit, allowed } = parts
  const { lifecycle } = app
  const beginTrace = createTracing()
  app.decorateRequest('begun', undefined)
  app.addHook('onRequest', (request, reply, done) => {
    request.begun = handedOver(request.raw)
    // A request that a hot route began has no span.
    const traced = request.begun === undefined ? beginTrace(request, reply) : undefined
    tracker.track(request, reply, traced)
    const proceed = () => done()
    if (lifecycle.held) lifecycle.held.push(traced ? () => traced.run(proceed) : proceed)
    else if (traced) traced.run(proceed)
    else done()
  })
  cors?.add(app)
  if (rateLimit) addRateLimit(app, rateLimit)
  app.addHook('onRequest', (request, reply, done) => {
    const fault = protocolFault(request.raw)
    if (fault) return done(fault)
    if (request.is404 && cors?.answersPreflight(request, reply, allowed)) return
    done(refuseEarly(request, reply, allowed))
  })
}

/** Standard output, in JSON lines or for people. */
async function logOutput({ logFormat = 'json' }: ServerOptions): Promise<{ write(line: string): void }> {
  const output = getStandardOutput()
  if (logFormat === 'json') return output
  // Production does not load it.
  const { hasColours, PrettyLog } = await import('./pretty-log.ts')
  const pretty = new PrettyLog({ output, colours: hasColours(process.env) })
  process.on('exit', () => pretty.report())
  return pretty
}

function healthOptions(options: ServerOptions, auth: Auth | undefined) {
  const { dependencies = [], systems = [], conditions = [], checkTimeoutMs = 2000 } = options
  return { dependencies, systems, conditions: [...conditions, ...(auth?.conditions ?? [])], checkTimeoutMs }
}

function infoOf({ service, title = service, description, version, auth }: ServerOptions): ApiInfo {
  return { title, description, version, auth: auth ?? 'off' }
}

function createFastify(
  options: ServerOptions,
  parts: {
    logger: FastifyBaseLogger
    requestIds: RequestIds
    tracker: RequestTracker
    hot: HotRoutes | undefined
    rateLimit: RequestLimit | undefined
  },
): App {
  const { bodyLimitBytes = 1024 * 1024, trustProxy = false } = options
  const { logger, requestIds, tracker, hot, rateLimit } = parts
  const app = Fastify({
    loggerInstance: logger,
    logController: createLogController(),
    genReqId: (raw) => handedOver(raw)?.id ?? requestIds(raw.headers['x-request-id']),
    requestIdHeader: false,
    bodyLimit: bodyLimitBytes,
    trustProxy: trustFunction(trustProxy),
    serverFactory: (handler) => createHttpServer(options, handler, hot),
    // A request that arrives while the listener closes is answered, with `connection: close`.
    return503OnClosing: false,
    // The schema of a parameter limits its length, not the router.
    routerOptions: { maxParamLength: 32_768 },
    ajv: { customOptions: AJV_OPTIONS },
    frameworkErrors: (error, request, reply) => refuseUnrouted({ tracker, rateLimit }, error, request, reply),
    clientErrorHandler: tracker.refuse,
  }) as unknown as App
  // Without a listener Node answers 417 without a body. Emitted as a request, protocolFault() refuses it with one.
  app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response))
  // Without a listener Node asks for the body at once. BodyBudget asks for it when the request is not refused.
  app.server.on('checkContinue', (request, response) => app.server.emit('request', request, response))
  return app
}

/** Hot routes answer first, and leave everything else to Fastify's handler. */
function createHttpServer(
  { headersTimeoutMs = 20_000, requestTimeoutMs = 60_000 }: ServerOptions,
  handler: RequestListener,
  hot: HotRoutes | undefined,
): HttpServer {
  return createNodeServer(
    {
      keepAliveTimeout: KEEP_ALIVE_MS,
      requestTimeout: requestTimeoutMs,
      headersTimeout: headersTimeoutMs,
      // By default Node checks for late requests every 30 s; a limit of 20 s would then mean up to 50.
      connectionsCheckingInterval: Math.min(5000, headersTimeoutMs / 4),
      // Checked by protocolFault() instead, which answers with a body.
      requireHostHeader: false,
    },
    inOrder(hot === undefined ? handler : hot.before(handler)),
  )
}

/** Answers requests that Fastify refuses before routing, such as `/%ff`; no hook sees them. */
function refuseUnrouted(
  { tracker, rateLimit }: { tracker: RequestTracker; rateLimit: RequestLimit | undefined },
  error: FastifyError,
  request: unknown,
  reply: unknown,
): void {
  const call = [request as FastifyRequest, reply as FastifyReply] as const
  tracker.track(...call)
  sendProblem((rateLimit && refusalOf(rateLimit.limiter, ...call)) ?? error, ...call)
}

/** Refuses what needs no body to be refused, so that the body is neither kept nor parsed. */
function refuseEarly(
  request: FastifyRequest,
  reply: FastifyReply,
  allowed: AllowedMethods,
): AppError | undefined {
  const { raw } = request
  if (request.is404) return notFound(request, reply, allowed)
  // Fastify leaves the body of these methods to Node, which would read all of it.
  const ignoresBody = raw.method === 'GET' || raw.method === 'HEAD'
  if (!ignoresBody || !hasBody(raw) || discardBody(raw)) return undefined
  return new AppError('BODY_TOO_LARGE', 413, 'The body is over the limit')
}

/** Counts the bodies of a route that takes one, after its tokens are checked. */
function admitBodies(route: RouteOptions, budget: BodyBudget): void {
  if (!onlyReads(route.method)) route.preParsing = withFirst(budget.admit, route.preParsing)
}

function requestLimitOf(options: ServerOptions): RequestLimit | undefined {
  const { service, rateLimitRps: max, rateLimitExempt, sharedCounts, trustProxy = false } = options
  if (max === undefined) return undefined
  const limiter = new RateLimiter({
    name: `${service}:requests`,
    max,
    windowMs: 1000,
    exempt: rateLimitExempt ?? [],
    shared: sharedCounts,
  })
  return createRequestLimit(limiter, trustProxy)
}

/** Clients behind one address may have an old token; guessing needs far more. */
const AUTH_FAILURES_PER_MINUTE = 30

interface Auth {
  readonly hookOf: ReturnType<typeof createAuth>
  readonly conditions: readonly Condition[]
}

/** Undefined while every call is open. */
async function authOf(app: App, options: ServerOptions): Promise<Auth | undefined> {
  const { auth = 'off', authTokens = [], jwt } = options
  if (auth === 'off') return undefined
  const failures = authFailuresOf(app, options)
  if (auth === 'token') {
    if (authTokens.length === 0)
      app.log.warn('AUTH is token, but no token is configured: every call that needs a token is refused')
    return { hookOf: createAuth(createKnownTokens(authTokens), failures), conditions: [] }
  }
  if (jwt === undefined) throw new TypeError('auth is jwt, but there are no options of jwt')
  const check = await createJwtCheck(jwt, app.log)
  app.addHook('onClose', async () => check.close())
  return jwtAuth(app, check, failures)
}

/** The keys are fetched at start, but an issuer that is unavailable stops no start. A service without such calls needs no keys. */
function jwtAuth(app: App, check: JwtCheck, failures: RateLimiter): Auth {
  let isUsed = false
  const hookOf = createAuth(check, failures)
  app.addHook('onReady', async () => {
    if (isUsed) void check.ready().catch(() => {})
  })
  return {
    hookOf(scope) {
      isUsed = true
      return hookOf(scope)
    },
    conditions: [{ name: 'token-keys', check: async () => (isUsed ? check.ready() : undefined) }],
  }
}

function authFailuresOf(app: App, options: ServerOptions): RateLimiter {
  const { service, authFailuresPerMinute = AUTH_FAILURES_PER_MINUTE, sharedCounts } = options
  const limiter = new RateLimiter({
    name: `${service}:tokens`,
    max: authFailuresPerMinute,
    windowMs: 60_000,
    shared: sharedCounts,
  })
  app.addHook('onReady', async () => limiter.start())
  app.addHook('onClose', async () => limiter.close())
  return limiter
}

function notFound(request: FastifyRequest, reply: FastifyReply, allowed: AllowedMethods) {
  const path = pathOf(request.raw.url ?? '/')
  const methods = allowed.forPath(path)
  if (methods.length === 0) return new AppError('NOT_FOUND', 404, 'There is nothing at this path')
  reply.header('allow', methods.join(', '))
  return methodNotAllowed(methods.join(', '))
}

function protect(route: RouteOptions, check: ReturnType<typeof createAuth>): void {
  const scope = route.config?.scope
  if (!scope) return
  route.onRequest = withFirst(check(scope), route.onRequest)
  const schema: FastifySchema = route.schema ?? {}
  schema.security = [{ bearer: [] }]
  route.schema = schema
}
