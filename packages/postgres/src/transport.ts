import { once } from 'node:events'
import { isIP, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import {
  type ConnectionOptions,
  connect as connectTls,
  getCACertificates,
  rootCertificates,
  type TLSSocket,
} from 'node:tls'
import { ConnectError } from './errors.ts'
import type { PostgresServer, TlsSettings } from './server.ts'

/** `SSLRequest` of the protocol: 8 bytes, their number and the code 80877103. */
const TLS_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])
const YES = 0x53
const NO = 0x4e

/**
 * Receives each socket as soon as it is made, so that its owner can destroy it at any time. `below` is the socket under a TLS
 * socket. The owner must forget it: if only that socket is destroyed, the next write to the TLS socket is an error for which
 * postgres.js has no listener.
 */
export type OnSocket = (socket: Duplex, below?: Duplex) => void

export interface TransportOptions {
  readonly encrypted: boolean
  /** Aborting it ends the attempt with its reason. */
  readonly signal: AbortSignal
  readonly onSocket: OnSocket
}

/**
 * Opens a connection on which the session can start: TCP or a Unix socket, then TLS as the URL requires. Both drivers use it,
 * because each of them differs from libpq: postgres.js continues in cleartext although it requested TLS, node-postgres verifies
 * certificates under `require`, and neither knows `allow`.
 *
 * @throws ConnectError
 */
export async function connectTransport(server: PostgresServer, options: TransportOptions): Promise<Socket> {
  const socket = new Socket()
  options.onSocket(socket)
  const abort = () => {
    socket.destroy(options.signal.reason)
  }
  options.signal.addEventListener('abort', abort, { once: true })
  try {
    options.signal.throwIfAborted()
    await connectSocket(socket, server)
    return options.encrypted ? await encrypt(socket, server, options.onSocket) : socket
  } catch (error) {
    socket.destroy()
    throw error instanceof ConnectError ? error : unreachable(server, error)
  } finally {
    options.signal.removeEventListener('abort', abort)
  }
}

async function connectSocket(socket: Socket, server: PostgresServer): Promise<void> {
  const { socketPath, address, host, port, keepAliveSeconds } = server
  if (socketPath !== undefined) socket.connect({ path: socketPath })
  else {
    socket.connect({ host: address ?? host, port })
    // Otherwise TCP holds back a pipelined statement until the previous one is acknowledged.
    socket.setNoDelay(true)
    if (keepAliveSeconds > 0) socket.setKeepAlive(true, keepAliveSeconds * 1000)
  }
  await once(socket, 'connect')
}

async function encrypt(socket: Socket, server: PostgresServer, onSocket: OnSocket): Promise<TLSSocket> {
  if (server.tls.negotiation === 'postgres') {
    socket.write(TLS_REQUEST)
    const answer = await readUntil(socket, (arrived) => arrived)
    if (answer[0] === NO && answer.length === 1) {
      throw new ConnectError('TLS_REFUSED', `${nameOf(server)} does not offer TLS`)
    }
    // Bytes behind this one were sent in cleartext and would be read as if they came through TLS (CVE-2021-23222).
    if (answer[0] !== YES || answer.length !== 1) throw notPostgres(server)
  }
  return handshake(socket, server, onSocket)
}

/**
 * Reads until `decide` returns a value for all bytes that have arrived. Only for an exchange in which the server then waits for
 * the client: later bytes are lost.
 *
 * @throws what `decide` throws; the error or the end of the socket
 */
export function readUntil<T>(socket: Socket, decide: (arrived: Buffer) => T | undefined): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  let arrived: Buffer = Buffer.alloc(0)
  const receive = (chunk: Buffer) => {
    arrived = Buffer.concat([arrived, chunk])
    try {
      const decided = decide(arrived)
      if (decided !== undefined) resolve(decided)
    } catch (error) {
      reject(error)
    }
  }
  const close = () =>
    reject(new ConnectError('CONNECTION_CLOSED', 'The connection was closed before the session was there'))
  socket.on('data', receive).on('error', reject).on('close', close)
  return promise.finally(() => {
    socket.off('data', receive).off('error', reject).off('close', close)
  })
}

function handshake(socket: Socket, server: PostgresServer, onSocket: OnSocket): Promise<TLSSocket> {
  const { tls, host } = server
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>()
  const secure = connectTls({
    socket,
    host,
    // Must be absent for an IP address (RFC 6066).
    servername: tls.serverName && isIP(host) === 0 ? host : '',
    ...handshakeOptions(tls),
  })
  onSocket(secure, socket)
  secure.once('error', reject)
  secure.once('close', () => reject(new ConnectError('TLS_FAILED', 'The server ended the TLS handshake')))
  secure.once('secureConnect', () => {
    secure.removeListener('error', reject)
    // The server does not know direct TLS, or is no Postgres.
    if (tls.negotiation === 'direct' && secure.alpnProtocol !== 'postgresql') reject(notPostgres(server))
    else resolve(secure)
  })
  return promise.catch((error: unknown) => {
    secure.destroy()
    if (error instanceof ConnectError) throw error
    const { code = 'TLS_FAILED', message = String(error) } = error as { code?: string; message?: string }
    throw new ConnectError(code, `TLS with ${nameOf(server)}: ${message}`, error)
  })
}

function handshakeOptions(tls: TlsSettings): ConnectionOptions {
  return {
    rejectUnauthorized: tls.verify !== 'nothing',
    ...(tls.verify !== 'nothing' && { ca: tls.roots ?? trustedRoots() }),
    ...(tls.verify === 'chain' && { checkServerIdentity: () => undefined }),
    ...(tls.certificate !== undefined && { cert: tls.certificate }),
    ...(tls.key !== undefined && { key: tls.key }),
    ...(tls.passphrase !== undefined && { passphrase: tls.passphrase }),
    ...(tls.minVersion && { minVersion: tls.minVersion }),
    ...(tls.maxVersion && { maxVersion: tls.maxVersion }),
    ...(tls.negotiation === 'direct' && { ALPNProtocols: ['postgresql'] }),
  }
}

let roots: string[] | undefined

/** The roots of Node, of NODE_EXTRA_CA_CERTS and of this machine, read once. */
function trustedRoots(): string[] {
  roots ??= [...new Set([...rootCertificates, ...getCACertificates('extra'), ...getCACertificates('system')])]
  return roots
}

export function notPostgres(server: PostgresServer): ConnectError {
  return new ConnectError(
    'NOT_POSTGRES',
    `The server at ${nameOf(server)} does not speak the protocol of Postgres`,
  )
}

function unreachable(server: PostgresServer, error: unknown): ConnectError {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown }
  const known = typeof code === 'string' ? code : 'CONNECT_FAILED'
  // The message is empty when a name has several addresses and each failed (AggregateError).
  const text = typeof message === 'string' && message !== '' ? message : `connect ${known} ${nameOf(server)}`
  return new ConnectError(known, text, error)
}

export function nameOf({ host, port, socketPath }: PostgresServer): string {
  return socketPath ?? `${isIP(host) === 6 ? `[${host}]` : host}:${port}`
}
