import { isIP } from 'node:net'
import { availableParallelism } from 'node:os'
import { Type } from 'typebox'
import { keySetUrlFault } from './jwt.ts'
import { integer, list, oneOf, onOff, pem, postgresUrl, type Setting, text, url } from './setting.ts'
import { systemsSettings } from './systems-settings.ts'

const AUTH_TOKEN = Type.Object({
  name: Type.String({ pattern: '^[A-Za-z0-9._-]{1,64}$' }),
  sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }),
  scope: Type.Unsafe<'write' | 'admin'>(Type.String({ enum: ['write', 'admin'] })),
})
const HOST_AND_PORT = Type.Object({
  host: Type.String({ pattern: '^[A-Za-z0-9._-]+$' }),
  port: Type.Integer({ minimum: 1, maximum: 65_535 }),
})
/** As a browser sends it: no path, no standard port, in lower case. */
const ORIGIN = Type.Refine(Type.String(), (text) => {
  const url = URL.parse(text)
  return url !== null && url.origin === text && /^https?:\/\/[^*]+$/.test(text)
})
const ADDRESS_RANGE = Type.Refine(Type.String(), (text) => {
  const [address = '', prefix = '0', ...rest] = text.split('/')
  const bits = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1
  return rest.length === 0 && /^\d{1,3}$/.test(prefix) && Number(prefix) <= bits
})

/**
 * Every setting of the services, one row each, keyed by its environment variable. `.env.example`, the tables of
 * docs/SETTINGS.md and the switches of the benchmark are made from it.
 */
export const settings = {
  HOST: text(/^\S+$/, 'an address to listen on', {
    description: 'Address to listen on; 0.0.0.0 in a container.',
    fallback: '127.0.0.1',
  }),
  PORT: integer({
    description: 'Port to listen on; 0 takes a free one.',
    minimum: 0,
    maximum: 65_535,
    fallback: ({ defaults }) => defaults.PORT,
  }),
  INTERNAL_PORT: integer({
    description: 'Second listener for /metrics and /services, which PORT then does not serve.',
    minimum: 0,
    maximum: 65_535,
    fallback: undefined,
  }),
  LOG_LEVEL: oneOf(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], {
    description: 'Least severity that is logged.',
    fallback: 'info',
  }),
  LOG_FORMAT: oneOf(['json', 'pretty'], {
    description:
      'JSON lines, or lines for people. Default: pretty on a terminal outside of production, else json.',
    fallback: undefined,
  }),
  BUILD_COMMIT: text(/^[0-9A-Za-z._-]{1,64}$/, 'a revision', {
    description: 'The revision that runs, for the metric build_info; an image is built with it.',
    fallback: undefined,
  }),
  NODE_ENV: oneOf(['production', 'development', 'test'], {
    description: 'In production writes need a token unless AUTH says otherwise.',
    fallback: 'development',
  }),
  SHUTDOWN_DELAY_MS: integer({
    description: 'After SIGTERM: how long to go on serving, unready, before the listener closes.',
    unit: 'ms',
    minimum: 0,
    maximum: 600_000,
    fallback: 0,
  }),
  SHUTDOWN_TIMEOUT_MS: integer({
    description: 'Limit for finishing requests in flight and closing pools, once the listener is closed.',
    unit: 'ms',
    minimum: 100,
    maximum: 600_000,
    fallback: 10_000,
  }),
  DIAGNOSTICS_DIR: text(/^\/\S*$/, 'an absolute path', {
    description:
      'Folder for a report when the process crashes, and for a heap snapshot (which contains secrets) near the heap limit. Off unless set.',
    fallback: undefined,
  }),

  DATABASE_URL: postgresUrl({
    description: 'Postgres, usually through PgBouncer. Required.',
    secret: true,
    fallback: undefined,
  }),
  DATABASE_DIRECT_URL: postgresUrl({
    description: 'Postgres past PgBouncer, for migrations. Default: DATABASE_URL.',
    secret: true,
    fallback: undefined,
  }),
  DATABASE_REPLICA_URL: postgresUrl({
    description: 'Replica for lists and reports. Default: DATABASE_URL.',
    secret: true,
    fallback: undefined,
  }),
  DATABASE_OWNER_URL: postgresUrl({
    description:
      'The owner of the tables, past PgBouncer, for db:migrate and db:seed alone. The user of DATABASE_URL may then only read and write rows.',
    secret: true,
    fallback: undefined,
  }),
  DB_POOL_MAX: integer({
    description: 'Connections of the main pool.',
    unit: 'connections',
    minimum: 1,
    maximum: 500,
    fallback: ({ defaults }) => defaults.DB_POOL_MAX,
    tuning: { scenario: 'pool-size', naive: '1' },
  }),
  DB_POOL_TIMEOUT_MS: integer({
    description: 'How long a query may wait for a connection before the request is answered with 503.',
    unit: 'ms',
    minimum: 1,
    maximum: 600_000,
    fallback: 30_000,
  }),
  DB_PREPARE: onOff({
    description: 'Prepare hot statements in the server.',
    fallback: true,
    tuning: { scenario: 'prepared-statements', naive: 'off' },
  }),
  DB_BATCHING: onOff({
    description: 'Read single rows that are asked for at the same time by one statement.',
    fallback: true,
    tuning: { scenario: 'db-batching', naive: 'off' },
  }),

  REDIS_URL: url(['redis:', 'rediss:'], {
    path: /^(\/\d{0,5})?$/,
    description: 'One Redis as cache tier 2. Neither this nor REDIS_CLUSTER_NODES: tier 2 is off.',
    secret: true,
    fallback: undefined,
  }),
  REDIS_CLUSTER_NODES: list(
    HOST_AND_PORT,
    (item) => {
      const [, host, port] = /^(.+):(\d{1,5})$/.exec(item) ?? []
      return host === undefined ? item : { host, port: Number(port) }
    },
    'host:port,host:port',
    { description: 'Some nodes of a Redis Cluster as cache tier 2.', fallback: undefined },
  ),
  REDIS_USERNAME: text(/^\S+$/, 'a user name', {
    description:
      'ACL user of Redis, for REDIS_URL without one and for REDIS_CLUSTER_NODES; needs REDIS_PASSWORD.',
    fallback: undefined,
  }),
  REDIS_PASSWORD: text(/^\S+$/, 'a password', {
    description: 'Password of Redis, for REDIS_URL without one and for REDIS_CLUSTER_NODES.',
    secret: true,
    fallback: undefined,
  }),
  REDIS_TLS: onOff({
    description:
      'TLS with the nodes of REDIS_CLUSTER_NODES. The scheme of REDIS_URL decides: rediss:// is TLS.',
    fallback: undefined,
  }),
  REDIS_CA: pem('certificate', {
    description: 'The only authorities trusted for TLS with Redis, in PEM; REDIS_CA_FILE names a file.',
    fallback: undefined,
  }),
  REDIS_CERT: pem('certificate', {
    description: 'Own certificate in PEM, for a Redis that asks for one; needs REDIS_KEY.',
    fallback: undefined,
  }),
  REDIS_KEY: pem('private key', {
    description: 'Private key of REDIS_CERT in PEM.',
    secret: true,
    fallback: undefined,
  }),
  REDIS_TIMEOUT_MS: integer({
    description: 'Time limit of one Redis call; past it the loader answers.',
    unit: 'ms',
    minimum: 1,
    maximum: 10_000,
    fallback: 50,
  }),
  REDIS_AUTO_PIPELINING: onOff({
    description: 'Send the commands of one event-loop turn to Redis in one write.',
    fallback: true,
    tuning: { scenario: 'auto-pipelining', naive: 'off' },
  }),

  CACHE_PREFIX: text(/^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$/, 'letters, digits and _.:-, 64 at most', {
    description:
      'Prefix of every key in Redis. A name derived from the database always follows, so two databases never share keys.',
    fallback: undefined,
  }),
  CACHE_L1: onOff({
    description: 'Cache tier 1, in the process.',
    fallback: true,
    tuning: { scenario: 'user-by-id', naive: 'off' },
  }),
  CACHE_L2: onOff({
    description: 'Cache tier 2, in Redis.',
    fallback: true,
    tuning: { scenario: 'user-by-id', naive: 'off' },
  }),
  CACHE_L1_MAX_BYTES: integer({
    description: 'Memory bound of tier 1.',
    unit: 'bytes',
    minimum: 0,
    maximum: 17_179_869_184,
    fallback: 67_108_864,
  }),
  CACHE_L1_MAX_ENTRIES: integer({
    description: 'Entry bound of tier 1.',
    unit: 'entries',
    minimum: 1,
    maximum: 10_000_000,
    fallback: 100_000,
  }),
  CACHE_TTL_SECONDS: integer({
    description: 'How long a cached row lives; writes invalidate it at once.',
    unit: 's',
    minimum: 1,
    maximum: 604_800,
    fallback: 300,
  }),
  CACHE_PAGE_TTL_MS: integer({
    description: 'How long a page of orders is answered from its stored, compressed reply; 0 turns it off.',
    unit: 'ms',
    minimum: 0,
    maximum: 3_600_000,
    fallback: 1000,
    tuning: { scenario: 'order-page', naive: '0' },
  }),
  RESPONSE_CACHE_TTL_SECONDS: integer({
    description: 'How long the reply of a report with cached=true is reused.',
    unit: 's',
    minimum: 1,
    maximum: 604_800,
    fallback: 300,
  }),
  CACHE_OUTBOX: onOff({
    description: 'Record invalidations in the write’s own transaction, so that none is lost.',
    fallback: true,
    tuning: { scenario: 'user-update', naive: 'off' },
  }),

  COMPRESSION: onOff({
    description: 'Compress replies of 1,000 bytes and more.',
    fallback: true,
    tuning: { scenario: 'order-page', naive: 'off' },
  }),
  HTTP_FAST_PATH: onOff({
    description: 'Answer the plain case (health, cached rows, stored pages) before Fastify.',
    fallback: true,
    tuning: { scenario: 'user-by-id', naive: 'off' },
  }),
  RESPONSE_SCHEMAS: onOff({
    description: 'Serialise replies by their schema: undeclared properties are dropped.',
    fallback: true,
    tuning: { scenario: 'response-schemas', naive: 'off' },
  }),
  BODY_LIMIT_BYTES: integer({
    description: 'Largest request body; above it 413.',
    unit: 'bytes',
    minimum: 1,
    maximum: 104_857_600,
    fallback: 1_048_576,
  }),
  REQUEST_LOG: onOff({
    description:
      'One log line for each request and each attempt of a job. Errors and the requests of kept traces are logged either way.',
    fallback: false,
    tuning: { scenario: 'request-logging', naive: 'on' },
  }),
  METRICS: onOff({
    description: 'Prometheus metrics at /metrics.',
    fallback: true,
    tuning: { scenario: 'metrics', naive: 'off' },
  }),
  TRUST_PROXY: onOff({
    description:
      'Take the client’s address from the last entry of x-forwarded-for: for exactly one proxy in front that clients cannot bypass.',
    fallback: false,
  }),
  BODY_BUDGET_BYTES: integer({
    description:
      'Memory of all request bodies at the same time, parsed ones included; above it 503. Default: an eighth of the heap.',
    unit: 'bytes',
    minimum: 1,
    maximum: 17_179_869_184,
    fallback: undefined,
  }),
  CONNECTIONS_PER_ADDRESS: integer({
    description:
      'Connections of each client address; further ones are closed. Not with TRUST_PROXY=on, where the proxy limits them.',
    unit: 'connections',
    minimum: 1,
    maximum: 1_000_000,
    fallback: 2000,
  }),
  SEND_TIMEOUT_MS: integer({
    description: 'How long a client may take less than 30 KB of its replies; then its connection is closed.',
    unit: 'ms',
    minimum: 100,
    maximum: 600_000,
    fallback: 30_000,
  }),
  SECURITY_HEADERS: onOff({
    description:
      'Set x-content-type-options and content-security-policy on each reply; off behind a proxy that does.',
    fallback: true,
  }),
  HSTS_SECONDS: integer({
    description:
      'Set strict-transport-security for this time; only where all clients use TLS. Off unless set.',
    unit: 's',
    minimum: 0,
    maximum: 63_072_000,
    fallback: undefined,
  }),
  CORS_ORIGINS: list(
    ORIGIN,
    (item) => item,
    'origins such as https://shop.example, comma-separated; no wildcard',
    {
      description: 'Origins whose scripts may call the API from a browser. None unless set.',
      fallback: undefined,
    },
  ),
  API_DOCS: onOff({
    description: '/docs and /openapi.json. Default: off in production, else on.',
    fallback: undefined,
  }),
  CONCURRENCY_LIMIT: onOff({
    description:
      'Refuse requests with 503 before they do any work when more are in flight than the latency allows; reports first, then writes, then reads.',
    fallback: true,
    tuning: { scenario: 'concurrency-limit', naive: 'off' },
  }),
  CONCURRENCY_LIMIT_MAX: integer({
    description: 'Requests in flight at most, whatever the latency; above it 503.',
    unit: 'requests',
    minimum: 1,
    maximum: 100_000,
    fallback: 1000,
  }),
  RATE_LIMIT_RPS: integer({
    description:
      'Requests per second for each client address, counted over all processes with Redis; above it 429. Off unless set.',
    unit: 'requests/s',
    minimum: 1,
    maximum: 1_000_000,
    fallback: undefined,
  }),
  RATE_LIMIT_EXEMPT: list(
    ADDRESS_RANGE,
    (item) => item,
    'addresses and subnets such as 10.0.0.0/8, comma-separated',
    { description: 'Clients without RATE_LIMIT_RPS.', fallback: undefined },
  ),
  AUTH_FAILURES_PER_MINUTE: integer({
    description:
      'Invalid tokens a minute from each client address; then its tokens are refused unseen with 429.',
    unit: 'tokens',
    minimum: 1,
    maximum: 1_000_000,
    fallback: 30,
  }),
  AUTH: oneOf(['off', 'token', 'jwt'], {
    description:
      'token: writes, jobs and config need a bearer token of AUTH_TOKENS; jwt: one of JWT_ISSUER. Default: token in production, else off.',
    fallback: undefined,
  }),
  AUTH_TOKENS: list(
    AUTH_TOKEN,
    (item) => {
      const [name, sha256, scope, ...rest] = item.split(':')
      return rest.length > 0 ? item : { name, sha256: sha256?.toLowerCase(), scope }
    },
    'name:sha256-of-the-token:scope, comma-separated; scope is write or admin',
    { description: 'Tokens that may write, with AUTH=token.', secret: true, fallback: undefined },
  ),
  JWT_ISSUER: text(/^\S{1,500}$/, 'the claim iss of the tokens', {
    description: 'Issuer of the tokens, exactly as in their claim iss; required with AUTH=jwt.',
    fallback: undefined,
  }),
  JWT_AUDIENCE: text(/^\S{1,500}$/, 'a claim aud of the tokens', {
    description: 'Audience that the tokens must be for; required with AUTH=jwt.',
    fallback: undefined,
  }),
  JWT_JWKS_URL: {
    ...text(/^/, 'a URL with https://', {
      description: 'Where the issuer publishes its keys (JWKS); required with AUTH=jwt.',
      fallback: undefined,
    }),
    faultOf: keySetUrlFault,
  },
  JWT_CLOCK_SKEW_SECONDS: integer({
    description: 'How far the clocks of issuer and service may differ.',
    unit: 's',
    minimum: 0,
    maximum: 300,
    fallback: 30,
  }),
  JWT_SCOPE_CLAIM: text(/^\S{1,200}$/, 'the name of a claim', {
    description: 'Claim with the scopes of a token: text with spaces between them, or an array.',
    fallback: 'scope',
  }),
  JWT_WRITE_SCOPE: text(/^\S{1,200}$/, 'a scope', {
    description: 'Scope that permits writes and jobs.',
    fallback: 'write',
  }),
  JWT_ADMIN_SCOPE: text(/^\S{1,200}$/, 'a scope', {
    description: 'Scope that permits config as well.',
    fallback: 'admin',
  }),

  ...systemsSettings,

  UPSTREAM_URL: url(['http:', 'https:'], {
    description: 'The reference-api that /aggregate calls.',
    fallback: ({ defaults }) => defaults.UPSTREAM_URL ?? '',
  }),
  HTTP_KEEP_ALIVE: onOff({
    description: 'Keep connections to the upstream open between requests.',
    fallback: true,
    tuning: { scenario: 'upstream-keep-alive', naive: 'off' },
  }),
  PARALLEL_FETCH: onOff({
    description: 'Fetch the parts of /all and /aggregate in parallel instead of one after the other.',
    fallback: true,
    tuning: { scenario: 'all', naive: 'off' },
  }),
  SHARED_READS: onOff({
    description:
      'Let identical calls for pages, /all and /aggregate that arrive at the same time share one read. Other calls gain nothing.',
    fallback: true,
    tuning: { scenario: 'shared-reads', naive: 'off' },
  }),
  WORKER_THREADS: integer({
    description: 'Threads for CPU work; 0 does it on the main thread. Default: one less than the cores.',
    unit: 'threads',
    minimum: 0,
    maximum: 256,
    fallback: () => Math.max(1, availableParallelism() - 1),
    tuning: { scenario: 'report', naive: '0' },
  }),
  BACKGROUND_JOBS: onOff({
    description:
      'Do the work of POST /process-data in a background job; off: in the request, before its reply.',
    fallback: true,
    tuning: { scenario: 'process-data', naive: 'off' },
  }),
  ORDER_EVENTS_URL: url(['http:', 'https:'], {
    description:
      'Receives a POST for each order that was placed, at least once, from a job that its transaction stores. Off unless set.',
    secret: true,
    fallback: undefined,
  }),
  JOB_HANDLERS: onOff({
    description: 'Also handle background jobs in this process; off beside worker processes.',
    fallback: true,
  }),
} satisfies Record<string, Setting>
