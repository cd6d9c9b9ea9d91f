import { UrlError } from './errors.ts'
import { decode, halves } from './url-parts.ts'

/** Returns what is wrong with a value. */
type Check = (value: string) => string | undefined

/** The value of a parameter of the URL. */
export type Take = (name: string) => string | undefined

/** Parameters that take effect. Their values are checked where they are read. */
const SUPPORTED = [
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
]

const anything: Check = () => undefined
const only =
  (...values: string[]): Check =>
  (value) =>
    values.includes(value) ? undefined : `must be ${values.join(' or ')} here`
const refused =
  (why: string): Check =>
  () =>
    why

/**
 * Every known parameter: supported, accepted with the values that change nothing, or refused with advice. Any other parameter is
 * refused.
 */
const PARAMETERS: Readonly<Record<string, Check>> = {
  ...Object.fromEntries(SUPPORTED.map((name) => [name, anything])),
  // The name in JDBC, which libpq reads as sslmode=require.
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
  service: refused('is not supported: write its settings in the URL'),
  passfile: refused(
    'is not supported: write the password in the URL, and the URL in the file of DATABASE_URL_FILE',
  ),
  sslcrl: refused('is not supported: certificates are not looked up in a list of revoked ones'),
}

export function readParameters(query: string): Map<string, string> {
  const given = new Map<string, string>()
  if (query === '') return given
  for (const pair of query.split('&')) {
    const [rawName, rawValue] = halves(pair, '=')
    const name = decode('a parameter', rawName)
    const label = /^\w{1,60}$/.test(name) ? name : 'a parameter'
    if (rawValue === undefined || rawValue === '') throw new UrlError(`${label} has no value`)
    const value = decode(label, rawValue)
    const check = PARAMETERS[name]
    if (check === undefined || !Object.hasOwn(PARAMETERS, name))
      throw new UrlError(`${label} is not supported: remove it from the URL`)
    const fault = check(value)
    if (fault !== undefined) throw new UrlError(`${label} ${fault}`)
    if (given.has(name)) throw new UrlError(`${label} is given twice`)
    given.set(name, value)
  }
  return given
}

export function oneOf<const Word extends string>(
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

export function wholeNumber(name: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  if (!/^\d{1,6}$/.test(value)) throw new UrlError(`${name} must be a whole number of seconds`)
  return Number(value)
}
