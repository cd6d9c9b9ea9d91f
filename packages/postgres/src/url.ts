import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { userInfo } from 'node:os'
import { createSecureContext } from 'node:tls'
import {
  type PostgresServer,
  type SslMode,
  sslModes,
  type TlsSettings,
  type TlsVersion,
  tlsVersions,
} from './server.ts'

/** A URL that cannot be used; the message says which part, and never holds a password. */
export class UrlError extends Error {
  readonly code = 'DATABASE_URL_INVALID'

  constructor(message: string) {
    super(message)
    this.name = 'UrlError'
  }
}

const servers = new Map<string, PostgresServer>()

/**
 * Reads the URL of a Postgres once: each call with the same URL gives the same object. The grammar and the meaning of the
 * parameters are libpq's (https://www.postgresql.org/docs/current/libpq-connect.html); `PG…` variables, `~/.pgpass` and
 * `~/.postgresql` are not read. Files of certificates are read here.
 *
 * @throws UrlError for what is wrong, unknown, or known to libpq and not supported here
 */
export function postgresServer(url: string): PostgresServer {
  let server = servers.get(url)
  if (server === undefined) {
    server = deepFreeze(read(url))
    servers.set(url, server)
  }
  return server
}

function read(url: string): PostgresServer {
  const parts = split(url)
  const given = readParameters(parts.query)
  const take = (name: string): string | undefined => given.get(name)
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

interface Parts {
  readonly user: string | undefined
  readonly password: string | undefined
  readonly host: string | undefined
  readonly port: string | undefined
  readonly database: string | undefined
  readonly query: string
}

/**
 * `postgres://user:password@host:port/database?parameters`. Not by `new URL`: it takes a `#` in a password for the end,
 * knows no URL without a host, and keeps the brackets of an IPv6 address.
 */
function split(url: string): Parts {
  const scheme = /^postgres(?:ql)?:\/\//i.exec(url)
  if (scheme === null) throw new UrlError('must be a URL with postgres:// or postgresql://')
  const rest = url.slice(scheme[0].length)
  const authorityEnd = endOfAuthority(rest)
  const authority = rest.slice(0, authorityEnd)
  const [path = '', ...queries] = rest.slice(authorityEnd).split('?')
  const at = authority.lastIndexOf('@')
  const [user, password] = halves(at === -1 ? '' : authority.slice(0, at), ':')
  return {
    user: user === '' ? undefined : decode('the user', user),
    password: password === undefined ? undefined : decode('the password', password),
    ...hostAndPort(authority.slice(at + 1)),
    database: databaseOf(path),
    query: queries.join('?'),
  }
}

/** At the first `/` or `?` after the user and the password, which may hold a `?` as it is. */
function endOfAuthority(rest: string): number {
  const slash = rest.indexOf('/')
  const beforeSlash = slash === -1 ? rest : rest.slice(0, slash)
  const query = beforeSlash.search(/\?[A-Za-z_]+=/)
  const authority = query === -1 ? beforeSlash : rest.slice(0, query)
  const at = authority.lastIndexOf('@')
  const question = authority.indexOf('?', at + 1)
  return question === -1 ? authority.length : question
}

function hostAndPort(text: string): { host: string | undefined; port: string | undefined } {
  if (text.includes(',')) throw new UrlError(SEVERAL_HOSTS)
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(text)
  if (bracketed !== null) {
    const [, address = '', port] = bracketed
    if (isIP(address) !== 6) throw new UrlError('what is in the brackets must be an IPv6 address')
    return { host: address, port: port || undefined }
  }
  if (text.split(':').length > 2) throw new UrlError('an IPv6 address must be in brackets, as in [::1]:5432')
  const [host, port] = halves(text, ':')
  return { host: host === '' ? undefined : decode('the host', host), port: port || undefined }
}

function databaseOf(path: string): string | undefined {
  const name = path.replace(/^\//, '').replace(/\/$/, '')
  if (name.includes('/')) throw new UrlError('a slash in the name of the database must be written as %2F')
  return name === '' ? undefined : decode('the database', name)
}

const SEVERAL_HOSTS =
  'several hosts are not supported: use a name that leads to the primary, or PgBouncer; replicas are read by DATABASE_REPLICA_URL'

function hostOf(given: string | undefined, address: string | undefined): string {
  if (address !== undefined && isIP(address) === 0) throw new UrlError('hostaddr must be one IP address')
  const host = given ?? address
  if (host === undefined || host === '') throw new UrlError('has no host')
  if (host.includes(',')) throw new UrlError(SEVERAL_HOSTS)
  if (host.startsWith('/')) {
    if (address !== undefined) throw new UrlError('hostaddr cannot be used with the folder of a socket')
    return host
  }
  if (isIP(host) === 0 && !/^[\p{L}\p{N}._-]+$/u.test(host))
    throw new UrlError('the host must be a name, an IP address or the folder of a socket')
  return host.toLowerCase()
}

function portOf(text: string | undefined): number {
  if (text === undefined) return 5432
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (port < 1 || port > 65_535) throw new UrlError('the port must be a number from 1 to 65535')
  return port
}

/** As libpq: the name of the user that runs the process. */
function systemUser(): string {
  try {
    return userInfo().username
  } catch {
    throw new UrlError('has no user, and the user of this process has no name')
  }
}

type Check = (value: string) => string | undefined

const anything: Check = () => undefined
const only =
  (...values: string[]): Check =>
  (value) =>
    values.includes(value) ? undefined : `must be ${values.join(' or ')} here`
const refused =
  (why: string): Check =>
  () =>
    why

/** Every parameter that a URL may hold: supported, accepted where its value asks for nothing, or refused with what to do. */
const parameters: Readonly<Record<string, Check>> = {
  ...Object.fromEntries(
    [
      ...[
        'host',
        'hostaddr',
        'port',
        'dbname',
        'user',
        'password',
        'application_name',
        'options',
        'connect_timeout',
      ],
      ...['sslmode', 'sslnegotiation', 'sslrootcert', 'sslcert', 'sslkey', 'sslpassword', 'channel_binding'],
      ...['ssl_min_protocol_version', 'ssl_max_protocol_version', 'keepalives_idle'],
    ].map((name) => [name, anything]),
  ),
  // JDBC's word, which libpq takes as sslmode=require.
  ssl: only('true'),
  sslsni: only('0', '1'),
  keepalives: only('0', '1'),
  client_encoding: (value) =>
    /^(utf-?8|auto)$/i.test(value) ? undefined : 'must be UTF8: the services read nothing else',
  target_session_attrs: (value) =>
    value === 'any'
      ? undefined
      : 'is not supported: a URL names one server; replicas are read by DATABASE_REPLICA_URL',
  load_balance_hosts: only('disable'),
  gssencmode: only('disable', 'prefer'),
  sslcompression: only('0'),
  sslcertmode: only('allow'),
  replication: only('false'),
  uselibpqcompat: only('true'),
  fallback_application_name: anything,
  pgbouncer: refused('is a parameter of Prisma: remove it; DB_PREPARE=off is for a PgBouncer below 1.21'),
  connection_limit: refused('is a parameter of Prisma: remove it; DB_POOL_MAX is the number of connections'),
  pool_timeout: refused('is a parameter of Prisma: remove it; DB_POOL_TIMEOUT_MS is the limit'),
  schema: only('public'),
  currentSchema: only('public'),
  search_path: only('public'),
  service: refused('is not supported: write what it stands for in the URL'),
  passfile: refused(
    'is not supported: write the password in the URL, and the URL in the file of DATABASE_URL_FILE',
  ),
  sslcrl: refused('is not supported: certificates are not looked up in a list of revoked ones'),
}

function readParameters(query: string): Map<string, string> {
  const given = new Map<string, string>()
  if (query === '') return given
  for (const pair of query.split('&')) {
    const [rawName, rawValue] = halves(pair, '=')
    const name = decode('a parameter', rawName)
    const label = /^\w{1,60}$/.test(name) ? name : 'a parameter'
    if (rawValue === undefined || rawValue === '') throw new UrlError(`${label} has no value`)
    const value = decode(label, rawValue)
    const check = parameters[name]
    if (check === undefined || !Object.hasOwn(parameters, name))
      throw new UrlError(`${label} is not supported: remove it from the URL`)
    const fault = check(value)
    if (fault !== undefined) throw new UrlError(`${label} ${fault}`)
    if (given.has(name)) throw new UrlError(`${label} is given twice`)
    given.set(name, value)
  }
  return given
}

type Take = (name: string) => string | undefined

function tlsOf(take: Take): TlsSettings {
  const rootFile = take('sslrootcert')
  const mode = modeOf(take, rootFile)
  const negotiation = oneOf('sslnegotiation', take('sslnegotiation'), ['postgres', 'direct'], 'postgres')
  if (negotiation === 'direct' && ['disable', 'allow', 'prefer'].includes(mode)) {
    throw new UrlError('sslnegotiation=direct needs sslmode=require or above')
  }
  const version = (name: string): TlsVersion | undefined => {
    const text = take(name)
    return text === undefined ? undefined : oneOf(name, text, tlsVersions, 'TLSv1.2')
  }
  const tls: TlsSettings = {
    mode,
    negotiation,
    verify:
      mode === 'verify-full'
        ? 'chain and name'
        : mode === 'verify-ca' || (mode === 'require' && rootFile !== undefined)
          ? 'chain'
          : 'nothing',
    roots:
      rootFile === undefined || rootFile === 'system' ? undefined : certificatesIn('sslrootcert', rootFile),
    ...ownCertificate(take),
    serverName: take('sslsni') !== '0',
    minVersion: version('ssl_min_protocol_version'),
    maxVersion: version('ssl_max_protocol_version'),
  }
  const [lowest, highest] = [tls.minVersion ?? 'TLSv1', tls.maxVersion ?? 'TLSv1.3']
  if (tlsVersions.indexOf(lowest) > tlsVersions.indexOf(highest)) {
    throw new UrlError('ssl_min_protocol_version must not be above ssl_max_protocol_version')
  }
  return tls
}

function modeOf(take: Take, rootFile: string | undefined): SslMode {
  const given = take('sslmode')
  if (given !== undefined && take('ssl') !== undefined) throw new UrlError('ssl cannot be used with sslmode')
  if (given === 'no-verify')
    throw new UrlError('sslmode=no-verify is a word of node-postgres: libpq calls it require')
  const fallback = take('ssl') === 'true' ? 'require' : rootFile === 'system' ? 'verify-full' : 'prefer'
  const mode = oneOf('sslmode', given, sslModes, fallback)
  if (rootFile === 'system' && mode !== 'verify-full')
    throw new UrlError('sslrootcert=system needs sslmode=verify-full')
  return mode
}

function ownCertificate(take: Take): Pick<TlsSettings, 'certificate' | 'key' | 'passphrase'> {
  const [certFile, keyFile, passphrase] = [take('sslcert'), take('sslkey'), take('sslpassword')]
  if (certFile === undefined && keyFile === undefined) {
    if (passphrase !== undefined) throw new UrlError('sslpassword needs sslcert and sslkey')
    return { certificate: undefined, key: undefined, passphrase: undefined }
  }
  if (certFile === undefined || keyFile === undefined)
    throw new UrlError('sslcert and sslkey are given together')
  const certificate = certificatesIn('sslcert', certFile)
  const key = fileText('sslkey', keyFile)
  try {
    createPrivateKey({ key, ...(passphrase !== undefined && { passphrase }) })
  } catch {
    throw new UrlError(`sslkey: ${keyFile} holds no private key in PEM that sslpassword opens`)
  }
  try {
    createSecureContext({ cert: certificate, key, ...(passphrase !== undefined && { passphrase }) })
  } catch {
    throw new UrlError('sslkey is not the key of sslcert')
  }
  return { certificate, key, passphrase }
}

function certificatesIn(name: string, file: string): string {
  const text = fileText(name, file)
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? []
  try {
    for (const block of blocks) new X509Certificate(block)
  } catch {
    throw new UrlError(`${name}: a certificate in ${file} cannot be read`)
  }
  if (blocks.length === 0) throw new UrlError(`${name}: ${file} holds no certificate in PEM`)
  return blocks.join('\n')
}

function fileText(name: string, file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    throw new UrlError(`${name}: cannot be read: ${reason} ${file}`)
  }
}

function oneOf<const Word extends string>(
  name: string,
  value: string | undefined,
  words: readonly Word[],
  fallback: NoInfer<Word>,
): Word {
  if (value === undefined) return fallback
  const word = words.find((each) => each === value)
  if (word === undefined)
    throw new UrlError(`${name} must be ${words.join(', ')}, got ${JSON.stringify(value.slice(0, 40))}`)
  return word
}

function wholeNumber(name: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  if (!/^\d{1,6}$/.test(value)) throw new UrlError(`${name} must be a whole number of seconds`)
  return Number(value)
}

function decode(what: string, text: string): string {
  let decoded: string | undefined
  try {
    decoded = decodeURIComponent(text)
  } catch {
    // Said below, without the text: it may be a password.
  }
  if (decoded === undefined)
    throw new UrlError(`${what} holds a % that starts no encoded character: % itself is %25`)
  if (decoded.includes('\0')) throw new UrlError(`${what} holds %00`)
  return decoded
}

function halves(text: string, separator: string): [string, string | undefined] {
  const index = text.indexOf(separator)
  return index === -1 ? [text, undefined] : [text.slice(0, index), text.slice(index + 1)]
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(value).forEach(deepFreeze)
  return Object.freeze(value)
}
