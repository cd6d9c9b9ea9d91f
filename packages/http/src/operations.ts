import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { FastifySchema } from 'fastify'
import type { Registry } from 'prom-client'
import { Type } from 'typebox'
import type { Health } from './health.ts'
import { PROBLEM_TYPE, toProblem } from './problems.ts'
import type { App } from './types.ts'

interface Answer {
  status: number
  type: string
  body: string
}

type Call = () => Promise<Answer>

export interface Operations {
  /** Opens the internal listener, when there is one; resolves with its port. */
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
  '/metrics': Type.String(),
} as const

const SUMMARIES: Record<string, string> = {
  '/health': 'The process lives; no I/O',
  '/ready': 'A row per dependency; 503 when one that is required is away, or shutdown has begun',
  '/services': 'How fast every configured system answers',
  '/metrics': 'Prometheus text',
}

/**
 * Mounts the calls of the platform: `/health`, `/ready`, `/services`, `/metrics`. With an `internalPort` the last two
 * leave the public port, and a second, plain listener answers all four.
 */
export function addOperations(
  app: App,
  options: { health: Health; registry: Registry | undefined; internalPort: number | undefined },
): Operations {
  const { health, registry, internalPort } = options
  const calls = callsOf(health, registry)
  for (const [path, call] of calls) {
    if (internalPort !== undefined && (path === '/services' || path === '/metrics')) continue
    addRoute(app, path, call)
  }
  if (internalPort === undefined) return { listen: async () => undefined }
  const server = createInternalServer(calls)
  app.addHook('onClose', () => close(server))
  return { listen: (host) => listen(server, host, internalPort) }
}

function callsOf(health: Health, registry: Registry | undefined): Map<string, Call> {
  const json = (value: unknown, status = 200): Answer => ({
    status,
    type: JSON_TYPE,
    body: JSON.stringify(value),
  })
  const calls = new Map<string, Call>([
    ['/health', async () => ({ status: 200, type: JSON_TYPE, body: ALIVE })],
    ['/services', async () => json(await health.services())],
    [
      '/ready',
      async () => {
        const readiness = await health.ready()
        return json(readiness, readiness.status === 'down' ? 503 : 200)
      },
    ],
  ])
  if (registry) {
    calls.set('/metrics', async () => ({
      status: 200,
      type: registry.contentType,
      body: await registry.metrics(),
    }))
  }
  return calls
}

function addRoute(app: App, path: string, call: Call): void {
  const config = { operational: true, rateLimit: false as const }
  const answer = SCHEMAS[path as keyof typeof SCHEMAS]
  const response = path === '/ready' ? { 200: answer, 503: answer } : { 200: answer }
  const schema: FastifySchema = { tags: ['operations'], summary: SUMMARIES[path] ?? path, response }
  if (path === '/health') {
    // Without a promise or serialiser: probes and load balancers ask this all day.
    app.get(path, { config, schema, compress: false }, (_request, reply) => {
      reply.header('content-type', JSON_TYPE).header('cache-control', 'no-store').send(ALIVE)
    })
    return
  }
  app.get(path, { config, schema }, async (_request, reply) => {
    const { status, type, body } = await call()
    return reply.code(status).header('content-type', type).header('cache-control', 'no-store').send(body)
  })
}

function createInternalServer(calls: Map<string, Call>): Server {
  return createServer({ keepAliveTimeout: 65_000 }, async (request, response) => {
    const path = request.url?.split('?', 1)[0] ?? '/'
    const call = request.method === 'GET' || request.method === 'HEAD' ? calls.get(path) : undefined
    const { status, type, body } = call
      ? await call().catch(failed)
      : failed({ statusCode: 404, code: 'NOT_FOUND' })
    response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' })
    response.end(request.method === 'HEAD' ? undefined : body)
  })
}

function failed(thrown: unknown): Answer {
  const { body } = toProblem(thrown, 'internal', undefined)
  return { status: body.status, type: PROBLEM_TYPE, body: JSON.stringify(body) }
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
