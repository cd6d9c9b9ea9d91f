import { userInfo } from 'node:os'
import { UrlError } from './errors.ts'
import type { PostgresServer } from './server.ts'
import { oneOf, readParameters, type Take, wholeNumber } from './url-parameters.ts'
import { hostOf, portOf, splitUrl } from './url-parts.ts'
import { tlsOf } from './url-tls.ts'

const SERVERS = new Map<string, PostgresServer>()

/**
 * Reads the URL of a Postgres. Each URL is read once: a later call with the same URL returns the same object. The grammar and the
 * meaning of the parameters are libpq's (https://www.postgresql.org/docs/current/libpq-connect.html); `PG…` variables,
 * `~/.pgpass` and `~/.postgresql` are not read. Files of certificates are read here.
 *
 * @throws UrlError for a part that is wrong, unknown, or known to libpq and not supported here
 */
export function postgresServer(url: string): PostgresServer {
  let server = SERVERS.get(url)
  if (server === undefined) {
    server = deepFreeze(readUrl(url))
    SERVERS.set(url, server)
  }
  return server
}

function readUrl(url: string): PostgresServer {
  const parts = splitUrl(url)
  const given = readParameters(parts.query)
  const take: Take = (name) => given.get(name)
  const host = hostOf(take('host') ?? parts.host, take('hostaddr'))
  const user = take('user') ?? parts.user ?? systemUser()
  const port = portOf(take('port') ?? parts.port)
  const isSocket = host.startsWith('/')
  const server: PostgresServer = {
    host,
    address: take('hostaddr'),
    port,
    socketPath: isSocket ? `${host.replace(/\/+$/, '')}/.s.PGSQL.${port}` : undefined,
    user,
    password: take('password') ?? parts.password ?? '',
    database: take('dbname') ?? parts.database ?? user,
    tls: tlsOf(take),
    channelBinding: oneOf(
      'channel_binding',
      take('channel_binding'),
      ['disable', 'prefer', 'require'],
      'prefer',
    ),
    applicationName: take('application_name'),
    options: take('options'),
    connectTimeoutSeconds: wholeNumber('connect_timeout', take('connect_timeout')),
    keepAliveSeconds:
      take('keepalives') === '0' ? 0 : wholeNumber('keepalives_idle', take('keepalives_idle')) || 10,
  }
  if (server.channelBinding === 'require' && (isSocket || server.tls.mode === 'disable')) {
    throw new UrlError('channel_binding=require needs TLS: sslmode=require or above')
  }
  return server
}

/** The name of the user that runs the process, as in libpq. */
function systemUser(): string {
  try {
    return userInfo().username
  } catch {
    throw new UrlError('has no user, and the user of this process has no name')
  }
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(value).forEach(deepFreeze)
  return Object.freeze(value)
}
