import type { Socket } from 'node:net'
import { ConnectError } from './errors.ts'
import { errorOf, isAuthentication, isError, type Message, nextMessage, startupMessage } from './messages.ts'
import type { PostgresServer } from './server.ts'
import { SESSION_SETTINGS, TRACKED_BY_PGBOUNCER } from './session.ts'
import { type Binding, PostgresStream } from './stream.ts'
import { connectTransport, nameOf, notPostgres, type OnSocket, readUntil } from './transport.ts'

export interface OpenOptions {
  /** Limit of the attempt, unless the URL has `connect_timeout`. */
  readonly timeoutMs: number
  readonly onSocket?: OnSocket
  /** Aborting it ends the attempt. */
  readonly signal?: AbortSignal | undefined
}

export interface OpenedConnection {
  /** Ready for the driver's start message, which must not request TLS. */
  readonly socket: Socket | PostgresStream
  /** What the start message must contain besides user and database. */
  readonly startParameters: Readonly<Record<string, string>>
}

/** What a server has accepted: TLS or not where its URL leaves that open, and which settings at the start. */
interface Route {
  readonly encrypted: boolean
  readonly startParameters: Readonly<Record<string, string>>
}

const routes = new WeakMap<PostgresServer, Promise<Route>>()

/**
 * Opens a connection for a driver, the same way for both.
 *
 * @throws ConnectError
 */
export async function openConnection(
  server: PostgresServer,
  options: OpenOptions,
): Promise<OpenedConnection> {
  const { onSocket = () => {} } = options
  const limit = limitOf(server, options)
  const connect = async () => {
    const route = await routeTo(server, limit.signal, onSocket)
    const { encrypted } = route
    return { ...route, socket: await connectTransport(server, { encrypted, signal: limit.signal, onSocket }) }
  }
  try {
    const isFound = routes.has(server)
    const { socket, encrypted, startParameters } = await connect().catch((error: unknown) => {
      if (!isFound || limit.signal.aborted) throw error
      // The server may have changed since its route was found.
      routes.delete(server)
      return connect()
    })
    watchStart(server, socket)
    const binding = bindingOf(server, encrypted)
    return {
      socket: binding === undefined ? socket : PostgresStream.boundTo(socket, binding),
      startParameters,
    }
  } catch (error) {
    routes.delete(server)
    throw error
  } finally {
    limit.clear()
  }
}

function limitOf(server: PostgresServer, { timeoutMs, signal }: OpenOptions) {
  const seconds = server.connectTimeoutSeconds
  const ms = seconds === undefined ? timeoutMs : seconds * 1000
  const controller = new AbortController()
  const late = () =>
    controller.abort(new ConnectError('CONNECT_TIMEOUT', `${nameOf(server)} did not answer within ${ms} ms`))
  const timer = ms > 0 ? setTimeout(late, ms) : undefined
  const signals = signal === undefined ? [controller.signal] : [controller.signal, signal]
  return { signal: AbortSignal.any(signals), clear: () => clearTimeout(timer) }
}

function bindingOf(server: PostgresServer, encrypted: boolean): Binding | undefined {
  if (server.channelBinding !== 'require') return undefined
  if (!encrypted)
    throw new ConnectError(
      'CHANNEL_BINDING',
      `${nameOf(server)} offers no TLS, which channel_binding=require needs`,
    )
  return { password: server.password }
}

/** A server that refuses the start may have changed since its route was found: the next connection finds it again. */
function watchStart(server: PostgresServer, socket: Socket): void {
  socket.once('data', (bytes: Buffer) => {
    if (bytes[0] === 'E'.charCodeAt(0)) routes.delete(server)
  })
}

function routeTo(server: PostgresServer, signal: AbortSignal, onSocket: OnSocket): Promise<Route> {
  const known = routes.get(server)
  if (known !== undefined) return known
  const finding = findRoute(server, signal, onSocket)
  routes.set(server, finding)
  finding.catch(() => {
    if (routes.get(server) === finding) routes.delete(server)
  })
  return finding
}

/**
 * Starts a session without logging in and reads the first answer: libpq's `allow` and `prefer` fall back by it, and PgBouncer
 * refuses a session with settings that it does not track. Costs one connection more, once a process and server.
 */
async function findRoute(server: PostgresServer, signal: AbortSignal, onSocket: OnSocket): Promise<Route> {
  const encryptions = encryptionsOf(server)
  let firstError: unknown
  for (const encrypted of encryptions) {
    try {
      const route = await tryRoute(server, encrypted, signal, onSocket)
      if (route !== undefined) return route
    } catch (error) {
      if (signal.aborted) throw error
      // libpq reports the first error.
      firstError ??= error
    }
  }
  if (firstError !== undefined) throw firstError
  // The driver receives the server's refusal, and reports it with its code.
  return { encrypted: encryptions[0] ?? false, startParameters: parametersFor(server, 'all') }
}

function encryptionsOf({ tls, socketPath }: PostgresServer): boolean[] {
  if (socketPath !== undefined || tls.mode === 'disable') return [false]
  if (tls.mode === 'allow') return [false, true]
  return tls.mode === 'prefer' ? [true, false] : [true]
}

async function tryRoute(
  server: PostgresServer,
  encrypted: boolean,
  signal: AbortSignal,
  onSocket: OnSocket,
): Promise<Route | undefined> {
  for (const extent of ['all', 'tracked'] as const) {
    const startParameters = parametersFor(server, extent)
    const socket = await connectTransport(server, { encrypted, signal, onSocket })
    const abort = () => socket.destroy(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    try {
      socket.write(startupMessage({ user: server.user, database: server.database, ...startParameters }))
      const answer = await firstAnswer(server, socket)
      if (isAuthentication(answer)) return { encrypted, startParameters }
      const { code, message } = errorOf(answer)
      if (!refusesParameter(code, message)) return undefined
    } catch (error) {
      throw signal.aborted ? signal.reason : error
    } finally {
      signal.removeEventListener('abort', abort)
      socket.on('error', () => {})
      socket.destroySoon()
    }
  }
  return undefined
}

/** PgBouncer's message for a setting that it does not track, and Postgres' code for an unknown setting. */
function refusesParameter(code: string, message: string): boolean {
  return code === '42704' || (code === '08P01' && /parameter/i.test(message))
}

/** The first message that continues the session or ends it; notices before it are skipped. */
function firstAnswer(server: PostgresServer, socket: Socket): Promise<Message> {
  return readUntil(socket, (arrived) => {
    for (let rest = arrived; ; ) {
      const next = nextMessage(rest)
      if (next === 'invalid') throw notPostgres(server)
      if (next === undefined) return undefined
      if (isAuthentication(next.message)) refuseUnknownLogin(server, next.message)
      if (isAuthentication(next.message) || isError(next.message)) return next.message
      rest = next.rest
    }
  })
}

/** 0 no login, 3 cleartext, 5 MD5, 10 SCRAM. Neither driver knows another method, and postgres.js would wait without end. */
function refuseUnknownLogin(server: PostgresServer, { body }: Message): void {
  const method = body.readInt32BE(0)
  if ([0, 3, 5, 10].includes(method)) return
  const name = { 2: 'Kerberos', 7: 'GSSAPI', 9: 'SSPI' }[method] ?? `method ${method}`
  throw new ConnectError(
    'LOGIN_METHOD',
    `${nameOf(server)} asks for a login by ${name}, which is not supported`,
  )
}

function parametersFor(server: PostgresServer, extent: 'all' | 'tracked'): Record<string, string> {
  const settings = Object.entries(SESSION_SETTINGS).filter(
    ([name]) => extent === 'all' || TRACKED_BY_PGBOUNCER.has(name),
  )
  return {
    client_encoding: 'UTF8',
    ...Object.fromEntries(settings),
    ...(server.options !== undefined && { options: server.options }),
  }
}
