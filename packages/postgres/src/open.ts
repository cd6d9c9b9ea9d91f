import { once } from 'node:events'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { ConnectError } from './errors.ts'
import { unknownMethod } from './login-order.ts'
import { Type } from './message-forms.ts'
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
  readonly socket: PostgresStream
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
    return {
      socket: PostgresStream.over(socket, nameOf(server), bindingOf(server, encrypted)),
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

/**
 * Whether anything answers: opens a connection, begins a session and waits for the first byte. The login is not completed. Also
 * true for a server that refuses the session, for example because it has no connection left.
 */
export async function isReachable(server: PostgresServer, timeoutMs: number): Promise<boolean> {
  const limit = new AbortController()
  const { signal } = limit
  // After a long task the time is over, although the answer may lie in the socket: read it first.
  const timer = setTimeout(() => setImmediate(() => limit.abort()), timeoutMs)
  const sockets: Duplex[] = []
  try {
    const encrypted = encryptionsOf(server)[0] ?? false
    const onSocket = (socket: Duplex) => sockets.push(socket.on('error', () => {}))
    const socket = await connectTransport(server, { encrypted, signal, onSocket })
    const aborted = once(signal, 'abort').then(() => false)
    socket.write(startupMessage({ user: server.user, database: server.database }))
    const answered = readUntil(socket, (arrived) => (arrived.length > 0 ? true : undefined))
    return await Promise.race([answered, aborted])
  } catch (error) {
    // A server that turns TLS down has answered.
    return error instanceof ConnectError && (error.code === 'TLS_REFUSED' || error.code === 'NOT_POSTGRES')
  } finally {
    clearTimeout(timer)
    for (const socket of sockets) socket.destroy()
  }
}

/** A server that refuses the start may have changed since its route was found: the next connection finds it again. */
function watchStart(server: PostgresServer, socket: Socket): void {
  socket.once('data', (bytes: Buffer) => {
    if (bytes[0] !== Type.authentication) routes.delete(server)
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
    let next = nextMessage(arrived)
    while (next !== undefined && next !== 'invalid' && next.message.type === Type.notice) {
      next = nextMessage(next.rest)
    }
    if (next === undefined) return undefined
    if (next === 'invalid') throw notPostgres(server)
    const { message } = next
    if (isAuthentication(message)) refuseUnknownLogin(server, message)
    else if (!isError(message)) throw notPostgres(server)
    return message
  })
}

/** postgres.js would wait without end for a session. */
function refuseUnknownLogin(server: PostgresServer, { body }: Message): void {
  const method = unknownMethod(body)
  if (method === undefined) return
  throw new ConnectError(
    'LOGIN_METHOD',
    `${nameOf(server)} asks for a login by ${method}, which is not supported`,
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
