import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Registry } from '@prometheus-io/client'
import { AppError } from '@reference/errors'
import type { ConnectionError, FastifySchema } from 'fastify'
import { Type } from 'typebox'
import { methodNotAllowed } from './allowed-methods.ts'
import { answerClientError, refuseInTurn } from './client-errors.ts'
import { expose } from './exposition.ts'
import type { Health } from './health.ts'
import { type HotRequest, hotHead } from './hot-reply.ts'
import { PROBLEM_TYPE, pathOf, toProblem } from './problems.ts'
import { protocolFault } from './protocol.ts'
import type { RequestIds } from './request-id.ts'
import { described } from './schemas.ts'
import type { App } from './types.ts'

interface Answer {
  status: number
  type: string
  body: string
  headers?: Record<string, string>
}

/** @param accept the request header */
type Call = (accept?: string) => Promise<Answer>

export interface Operations {
  /** Opens the internal listener, if one is configured; resolves with its port. */
  listen(host: string): Promise<number | undefined>
}

const JSON_TYPE = 'application/json; charset=utf-8'
const ALIVE = '{"status":"ok"}'

const Status = (values: string[]) => Type.Unsafe<string>({ type: 'string', enum: values })

const SCHEMAS = {
  '/health': Type.Object({ status: Type.String() }, { examples: [{ status: 'ok' }] }),
  '/ready': Type.Object({
    status: Status(['ok', 'degraded', 'down']),
    checks: Type.Array(
      Type.Object({
        name: Type.String({ examples: ['postgres'] }),
        status: Status(['ok', 'degraded', 'down']),
        latencyMs: Type.Number({ examples: [0.8] }),
        error: Type.Optional(Type.String({ examples: ['ECONNREFUSED'] })),
        reason: Type.Optional(
          Type.String({ examples: ['READONLY: the server is a replica, which accepts no writes'] }),
        ),
      }),
    ),
  }),
  '/services': Type.Array(
    Type.Object({
      name: Type.String({ examples: ['redis'] }),
      responseMs: Type.Number({ examples: [0.3] }),
      thresholdMs: Type.Number({ examples: [5] }),
      status: Status(['ok', 'slow', 'down']),
    }),
  ),
  '/metrics': { content: metricsContent() },
} as const

/** The exposition formats of `exposition.ts`; without media types the document would promise JSON. */
function metricsContent() {
  const schema = Type.String()
  return { 'text/plain': { schema }, 'application/openmetrics-text': { schema } }
}

type Path = keyof typeof SCHEMAS
type Documented = Pick<FastifySchema, 'operationId' | 'summary' | 'description' | 'response'>

const DOCUMENTATION: Readonly<Record<Path, Documented>> = {
  '/health': {
    operationId: 'getHealth',
    summary: 'Whether the process is alive',
    description: 'Does no I/O: for liveness probes.',
    response: { 200: described('The process answers', SCHEMAS['/health']) },
  },
  '/ready': {
    operationId: 'getReadiness',
    summary: 'Whether the service can answer requests',
    description: 'One row for each dependency: for readiness probes and load balancers.',
    response: {
      200: described('Every required dependency answers; another one may be `degraded`', SCHEMAS['/ready']),
      503: described('A required dependency is unavailable, or shutdown has begun', SCHEMAS['/ready']),
    },
  },
  '/services': {
    operationId: 'listServices',
    summary: 'How fast every configured system answers',
    description: 'One command of its protocol for each, with the time above which it counts as slow.',
    response: { 200: described('A row for each system', SCHEMAS['/services']) },
  },
  '/metrics': {
    operationId: 'getMetrics',
    summary: 'The metrics of this process',
    response: {
      200: {
        description: 'Prometheus text, or OpenMetrics when the scraper accepts it',
        ...SCHEMAS['/metrics'],
      },
    },
  },
}

/**
 * Adds the calls for operators: `/health`, `/ready`, `/services`, `/metrics`. With an `internalPort` the last two are not
 * available on the public port, and a second, plain listener answers all four.
 */
export function addOperations(
  app: App,
  options: {
    health: Health
    registry: Registry | undefined
    internalPort: number | undefined
    requestIds: RequestIds
  },
): Operations {
  const { health, registry, internalPort, requestIds } = options
  const calls = callsOf(health, registry)
  for (const [path, call] of calls) {
    if (internalPort !== undefined && (path === '/services' || path === '/metrics')) continue
    addRoute(app, path, call)
  }
  if (internalPort === undefined) return { listen: async () => undefined }
  const server = createInternalServer(calls, requestIds)
  app.addHook('onClose', () => close(server))
  return { listen: (host) => listen(server, host, internalPort) }
}

function callsOf(health: Health, registry: Registry | undefined): Map<Path, Call> {
  const json = (value: unknown, status = 200): Answer => ({
    status,
    type: JSON_TYPE,
    body: JSON.stringify(value),
  })
  const calls = new Map<Path, Call>([
    ['/health', async () => ({ status: 200, type: JSON_TYPE, body: ALIVE })],
    ['/services', async () => json(await health.services())],
    [
      '/ready',
      async () => {
        const readiness = await health.ready()
        return readiness.status === 'down' ? { ...json(readiness, 503), headers: RETRY } : json(readiness)
      },
    ],
  ])
  if (registry) {
    calls.set('/metrics', async (accept) => ({ status: 200, ...(await expose(registry, accept)) }))
  }
  return calls
}

function addRoute(app: App, path: Path, call: Call): void {
  const config = { operational: true, rateLimit: false as const }
  const schema: FastifySchema = { tags: ['operations'], ...DOCUMENTATION[path] }
  if (path === '/health') {
    // Without a promise or serialiser: probes and load balancers call it all day.
    const hot = { head: hotHead({ 'content-type': JSON_TYPE, 'cache-control': 'no-store' }), body: ALIVE }
    const hotConfig = { ...config, hot: ({ rest }: HotRequest) => (rest === '' ? hot : undefined) }
    app.get(path, { config: hotConfig, schema, compress: false }, (_request, reply) => {
      reply.header('content-type', JSON_TYPE).header('cache-control', 'no-store').send(ALIVE)
    })
    return
  }
  app.get(path, { config, schema }, async (request, reply) => {
    const { status, type, body, headers = {} } = await call(request.headers.accept)
    reply.headers({ ...headers, 'content-type': type, 'cache-control': 'no-store' })
    return reply.code(status).send(body)
  })
}

/** Each 503 has it: a client or a proxy may ask again. */
const RETRY = { 'retry-after': '1' }

const METHODS = 'GET, HEAD'

/** Enough for scrapers and probes. */
const INTERNAL_CONNECTIONS = 32

/** A server without Fastify, which answers even when the public one is overloaded. Its problems are the same. */
function createInternalServer(calls: ReadonlyMap<string, Call>, requestIds: RequestIds): Server {
  const server = createServer(
    { keepAliveTimeout: 65_000, requireHostHeader: false },
    async (request, response) => {
      const requestId = requestIds(request.headers['x-request-id'])
      const { status, type, body, headers } = await answer(request, calls).catch((thrown) =>
        problemAnswer(thrown, requestId, request.url),
      )
      response.writeHead(status, {
        'content-type': type,
        'content-length': Buffer.byteLength(body),
        'cache-control': 'no-store',
        'x-request-id': requestId,
        ...headers,
      })
      response.end(request.method === 'HEAD' ? undefined : body)
    },
  )
  server.maxConnections = INTERNAL_CONNECTIONS
  // A failed accept() costs one connection; without a listener the error would end the process.
  server.on('error', () => {})
  server.on('checkExpectation', (request, response) => server.emit('request', request, response))
  server.on('clientError', (error: ConnectionError, socket: Socket) =>
    refuseInTurn(socket, () => answerClientError(error, socket, requestIds())),
  )
  return server
}

async function answer(request: IncomingMessage, calls: ReadonlyMap<string, Call>): Promise<Answer> {
  const fault = protocolFault(request)
  if (fault) throw fault
  const path = decodePath(request.url ?? '/')
  const call = calls.get(path)
  if (!call) throw new AppError('NOT_FOUND', 404, 'There is nothing at this path')
  if (request.method !== 'GET' && request.method !== 'HEAD') throw methodNotAllowed(METHODS)
  return call(request.headers.accept)
}

function decodePath(url: string): string {
  try {
    return decodeURIComponent(url.split('?', 1)[0] ?? '/')
  } catch (cause) {
    throw new AppError('MALFORMED_URL', 400, `'${pathOf(url)}' is not a valid url component`, { cause })
  }
}

function problemAnswer(thrown: unknown, requestId: string, url: string | undefined): Answer {
  const { body, retryAfterSeconds } = toProblem(thrown, requestId, url)
  const headers = {
    ...(body.status === 405 && { allow: METHODS }),
    ...(retryAfterSeconds !== undefined && { 'retry-after': String(Math.ceil(retryAfterSeconds)) }),
  }
  return { status: body.status, type: PROBLEM_TYPE, body: JSON.stringify(body), headers }
}

function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve((server.address() as AddressInfo).port)
    })
  })
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    if (!server.listening) return resolve()
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
