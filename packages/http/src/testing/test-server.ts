import { once } from 'node:events'
import { connect } from 'node:net'
import { Type } from 'typebox'
import { createServer, IdParams, PageQuery, type ServerOptions } from '../index.ts'
import type { App } from '../types.ts'

/** The part of tap's test that cleans up. */
export interface Teardown {
  teardown(done: () => unknown): void
}

export interface TestServer {
  app: App
  url: string
  port: number
  /** The log lines so far. */
  lines: Record<string, unknown>[]
  get(path: string, headers?: Record<string, string>): Promise<Response>
  /** Sends a body unchanged, as `application/json` by default. */
  post(path: string, body: string | Buffer, headers?: Record<string, string>): Promise<Response>
  /** Sends bytes that no HTTP client would send, and resolves with all received bytes. */
  raw(bytes: string): Promise<string>
}

/** A listening server, closed when the test ends; `routes` are added before it listens. */
export async function testServer(
  t: Teardown,
  options: Partial<ServerOptions> = {},
  routes: (app: App) => void = exampleRoutes,
): Promise<TestServer> {
  const lines: Record<string, unknown>[] = []
  const logStream = { write: (line: string) => lines.push(JSON.parse(line)) }
  const app = await createServer({
    service: 'test',
    version: '1.2.3',
    logStream,
    // So that a test run can turn it off.
    fastPath: process.env.HTTP_FAST_PATH !== 'off',
    ...options,
  })
  routes(app)
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(() => app.close())
  const port = Number(new URL(url).port)
  return {
    app,
    url,
    port,
    lines,
    get: (path, headers = {}) => fetch(url + path, { headers, redirect: 'manual' }),
    post: (path, body, headers = {}) =>
      fetch(url + path, {
        method: 'POST',
        body,
        headers: { 'content-type': 'application/json', ...headers },
      }),
    raw: (bytes) => exchange(port, bytes),
  }
}

/** Routes with each kind of input. */
export function exampleRoutes(app: App): void {
  app.get('/users/:id', { schema: { params: IdParams } }, async ({ params }) => ({ id: params.id }))
  app.get('/users', { schema: { querystring: PageQuery } }, async ({ query }) => query)
  const flag = Type.Object({ partial: Type.Optional(Type.Boolean()) })
  app.get('/flag', { schema: { querystring: flag } }, async ({ query }) => query)
  app.get(
    '/texts/:key',
    { schema: { params: Type.Object({ key: Type.String() }) } },
    async ({ params }) => params,
  )
  const name = Type.String({ minLength: 1, maxLength: 200 })
  const age = Type.Optional(Type.Integer())
  const body = Type.Object({ name, age }, { additionalProperties: false })
  app.post('/users', { schema: { body } }, async (request, reply) => reply.code(201).send(request.body))
  app.delete('/users/:id', { schema: { params: IdParams } }, async (_request, reply) =>
    reply.code(204).send(),
  )
  const any = Type.Record(Type.String(), Type.Unknown())
  app.post('/any', { schema: { body: any } }, async (request) => request.body)
}

/** Sends bytes unchanged, and resolves with all bytes received until the connection closes. */
export async function exchange(port: number, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  let answer = ''
  socket.setEncoding('latin1').on('data', (chunk) => {
    answer += chunk
  })
  socket.on('error', () => {})
  socket.write(bytes, 'latin1')
  await once(socket, 'close')
  return answer
}
