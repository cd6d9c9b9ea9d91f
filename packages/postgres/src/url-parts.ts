import { isIP } from 'node:net'
import { UrlError } from './errors.ts'

/** The parts of a URL, decoded; the query is not. */
export interface UrlParts {
  readonly user: string | undefined
  readonly password: string | undefined
  readonly host: string | undefined
  readonly port: string | undefined
  readonly database: string | undefined
  readonly query: string
}

/**
 * Splits `postgres://user:password@host:port/database?parameters`.
 *
 * Not by `new URL`: it ends the URL at a `#` in a password, refuses a URL without a host, and keeps the brackets of an IPv6
 * address.
 */
export function splitUrl(url: string): UrlParts {
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

/** The index of the first `/` or `?` behind the user and the password, which may contain a plain `?`. */
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
    if (isIP(address) !== 6) throw new UrlError('the text in the brackets must be an IPv6 address')
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

export function hostOf(given: string | undefined, address: string | undefined): string {
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

export function portOf(text: string | undefined): number {
  if (text === undefined) return 5432
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (port < 1 || port > 65_535) throw new UrlError('the port must be a number from 1 to 65535')
  return port
}

export function decode(what: string, text: string): string {
  let decoded: string | undefined
  try {
    decoded = decodeURIComponent(text)
  } catch {
    // Reported below, without the text, which may be a password.
  }
  if (decoded === undefined)
    throw new UrlError(`${what} holds a % that starts no encoded character: % itself is %25`)
  if (decoded.includes('\0')) throw new UrlError(`${what} holds %00`)
  return decoded
}

export function halves(text: string, separator: string): [string, string | undefined] {
  const index = text.indexOf(separator)
  return index === -1 ? [text, undefined] : [text.slice(0, index), text.slice(index + 1)]
}
