import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { loadConfig, settings } from '@reference/config'
import { type TestDatabase, type TestRedis, testDatabase, testRedis } from '@reference/local-stack'
import { SERVICES } from '@reference/shop/services'
import postgres from 'postgres'
import { createApp } from '../app.ts'

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly raw: Buffer
  /** The body read as JSON; undefined when there is none. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of every shape
  readonly body: any
}

export interface CallOptions {
  /** Sent as JSON, unless it is a string or bytes. */
  readonly body?: unknown
  readonly headers?: Record<string, string>
}

export type Call = (method: string, path: string, options?: CallOptions) => Promise<Answer>

/** One HTTP request as it is written here: no header added, nothing decoded, no redirect followed. */
export function createCall(origin: string): Call {
  return async (method, path, { body, headers = {} } = {}) => {
    const raw = typeof body === 'string' || Buffer.isBuffer(body) || body === undefined
    const payload = raw ? body : JSON.stringify(body)
    const type = payload === undefined ? {} : { 'content-type': 'application/json' }
    const { hostname, port } = new URL(origin)
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    httpRequest({ hostname, port, method, path, headers: { ...type, ...headers } }, (response) => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part))
      response.on('error', reject)
      response.on('end', () => {
        const bytes = Buffer.concat(parts)
        const json =
          response.headers['content-type']?.includes('json') && !response.headers['content-encoding']
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          raw: bytes,
          body: json && bytes.length > 0 ? JSON.parse(bytes.toString()) : undefined,
        })
      })
    })
      .on('error', reject)
      .end(payload)
    return promise
  }
}

export interface TestApi {
  readonly origin: string
  readonly call: Call
  readonly database: TestDatabase
  readonly redis: TestRedis | undefined
  /** The database, past the API. */
  readonly sql: postgres.Sql
  readonly close: () => Promise<void>
}

type Scope = Parameters<typeof testDatabase>[0]

/** The API in this process, with a seeded database and a Redis of its own; all of it gone when the test ends. */
export async function startApi(
  t: Scope,
  environment: Record<string, string> = {},
  { redis: withRedis = true, on }: { redis?: boolean; on?: TestApi } = {},
): Promise<TestApi> {
  const database = on?.database ?? (await testDatabase(t))
  const redis = withRedis ? (on?.redis ?? (await testRedis(t, { own: true }))) : undefined
  const config = loadConfig(SERVICES['reference-api'], {
    // As in production, a role that may only read and write rows.
    DATABASE_URL: database.apiUrl,
    REDIS_URL: redis?.url,
    LOG_LEVEL: 'silent',
    WORKER_THREADS: '1',
    // On a busy machine a call takes longer than the usual 50 ms, and the read would go past the cache.
    REDIS_TIMEOUT_MS: '2000',
    ...switchesOfRun(),
    ...environment,
  })
  const { app, close: closeParts } = await createApp(config)
  const sql = postgres(database.superuserUrl, { max: 1, onnotice: () => {} })
  let closing: Promise<void> | undefined
  const close = () => {
    closing ??= (async () => {
      await app.close()
      await closeParts()
      await sql.end()
    })()
    return closing
  }
  t.teardown(close)
  const origin = await app.listen({ host: '127.0.0.1', port: 0 })
  return { origin, call: createCall(origin), database, redis, sql, close }
}

/** Switches that a whole test run may turn off: `HTTP_FAST_PATH=off pnpm test services`. */
const SWITCHES_OF_RUN = ['HTTP_FAST_PATH', 'DB_BATCHING', 'SHARED_READS']

function switchesOfRun(): Record<string, string | undefined> {
  const known = SWITCHES_OF_RUN.filter((name) => name in settings)
  return Object.fromEntries(known.map((name) => [name, process.env[name]]))
}
