import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { testCertificate } from '@reference/local-stack'
import { SERVICES } from '@reference/shop/services'
import t from 'tap'
import { environmentExample } from './documents.ts'
import { ConfigError, type Fault, loadConfig, readRedisTarget, settings } from './index.ts'

const API = {
  name: 'api',
  defaults: {
    PORT: 8000,
    DB_POOL_MAX: 30,
    UPSTREAM_URL: 'http://127.0.0.1:8000',
  },
}
const OTHER_API = { name: 'other-api', defaults: { PORT: 8001, DB_POOL_MAX: 25 } }

const [AUTHORITY, CLIENT, CLIENT_KEY] = ['authority.crt', 'client.crt', 'client.key'].map(
  testCertificate,
) as [string, string, string]

const least = { DATABASE_URL: 'postgres://app@db/app' }

function faultsOf(environment: Record<string, string>): readonly Fault[] {
  try {
    loadConfig(API, environment)
  } catch (error) {
    if (error instanceof ConfigError) return error.faults
    throw error
  }
  return []
}

t.test('a database URL is all that a service needs', async (t) => {
  const config = loadConfig(API, least)
  t.match(config, {
    host: '127.0.0.1',
    port: 8000,
    logLevel: 'info',
    cacheL1: true,
    dbPoolMax: 30,
    auth: 'off',
  })
  t.equal(config.databaseDirectUrl, least.DATABASE_URL)
  t.equal(config.databaseReplicaUrl, least.DATABASE_URL)
  t.equal(config.redis, undefined)
})

t.test('defaults follow the service', async (t) => {
  t.match(loadConfig(OTHER_API, least), { port: 8001, dbPoolMax: 25 })
})

t.test('the object is frozen, deeply', async (t) => {
  const config = loadConfig(API, { ...least, REDIS_CLUSTER_NODES: 'a:1,b:2' })
  t.throws(() => Object.assign(config, { port: 1 }))
  t.throws(() => Object.assign(config.redis ?? {}, { kind: 'single' }))
})

t.test('every fault is named at once', async (t) => {
  const faults = faultsOf({ PORT: '80a', CACHE_L1: 'yes', DB_POOL_MAX: '0', REDIS_URL: 'http://x' })
  t.same(faults.map(({ name }) => name).sort(), [
    'CACHE_L1',
    'DATABASE_URL',
    'DB_POOL_MAX',
    'PORT',
    'REDIS_URL',
  ])
})

t.test('numbers are decimal integers', async (t) => {
  for (const text of ['1e3', '0x10', '1.5', ' 80', '+80', 'NaN', '999999999999999999999']) {
    t.equal(faultsOf({ ...least, PORT: text }).length, 1, text)
  }
})

t.test('an empty variable counts as absent', async (t) => {
  t.equal(loadConfig(API, { ...least, PORT: '', REDIS_URL: '' }).port, 8000)
})

t.test('a secret is read from the file that NAME_FILE names', async (t) => {
  const file = join(t.testdir({ url: 'postgres://from-file/app\n' }), 'url')
  t.equal(loadConfig(API, { DATABASE_URL_FILE: file }).databaseUrl, 'postgres://from-file/app')
  t.match(faultsOf({ ...least, DATABASE_URL_FILE: file }), [{ name: 'DATABASE_URL_FILE' }])
  t.match(faultsOf({ DATABASE_URL_FILE: `${file}-none` }), [{ name: 'DATABASE_URL_FILE', message: /ENOENT/ }])
})

t.test('an empty secret file is a fault that names the file, not an absent setting', async (t) => {
  const file = join(t.testdir({ url: '\n' }), 'url')
  t.match(faultsOf({ DATABASE_URL_FILE: file }), [{ name: 'DATABASE_URL_FILE', message: file }])
  t.equal(faultsOf({ ...least, DATABASE_URL_FILE: file }).length, 1)
})

t.test('a URL has a host and can be decoded', async (t) => {
  for (const url of ['postgres://', 'postgres:///app', 'postgres://a:p%ZZ@h/x', 'postgres://h/%ff', 'x']) {
    t.match(faultsOf({ DATABASE_URL: url }), [{ name: 'DATABASE_URL' }], url)
  }
  for (const url of ['redis://', 'redis://h:1/abc', 'h:6379']) {
    t.match(faultsOf({ ...least, REDIS_URL: url }), [{ name: 'REDIS_URL' }], url)
  }
  for (const url of ['redis://h', 'redis://:pw@h:6380/3', 'rediss://h/'])
    t.same(faultsOf({ ...least, REDIS_URL: url }), [])
})

t.test('an unsupported part of a database URL is named, for each of the three', async (t) => {
  for (const name of ['DATABASE_URL', 'DATABASE_DIRECT_URL', 'DATABASE_REPLICA_URL']) {
    const faults = faultsOf({ ...least, [name]: 'postgres://app:hunter2@db/app?sslmode=on' })
    t.match(faults, [{ name, message: /^sslmode must be disable, .*, got "on"$/ }])
    t.notMatch(JSON.stringify(faults), /hunter2/)
  }
  t.match(faultsOf({ DATABASE_URL: 'postgres://db/x?sslmode=verify-full&sslrootcert=/no/such.crt' }), [
    { message: 'sslrootcert: cannot be read: ENOENT /no/such.crt' },
  ])
  t.same(faultsOf({ DATABASE_URL: 'postgres:///x?host=/run/postgresql' }), [])
})

t.test('the internal port must differ', async (t) => {
  t.match(faultsOf({ ...least, PORT: '9000', INTERNAL_PORT: '9000' }), [{ name: 'INTERNAL_PORT' }])
  t.same(faultsOf({ ...least, PORT: '0', INTERNAL_PORT: '0' }), [])
})

t.test('no fault holds the value of a secret', async (t) => {
  const error = new ConfigError(
    faultsOf({ DATABASE_URL: 'mariadb://app:hunter2@db', AUTH_TOKENS: 'hunter2' }),
  )
  t.equal(error.faults.length, 2)
  t.notMatch(error.message, /hunter2/)
})

t.test('tier 2 is one Redis or a cluster, not both', async (t) => {
  const both = { ...least, REDIS_URL: 'redis://a', REDIS_CLUSTER_NODES: 'a:1' }
  t.match(faultsOf(both), [{ name: 'REDIS_CLUSTER_NODES' }])
  t.match(faultsOf({ ...least, REDIS_CLUSTER_NODES: 'a:1,b' }), [{ name: 'REDIS_CLUSTER_NODES' }])
  const cluster = loadConfig(API, {
    ...least,
    REDIS_CLUSTER_NODES: 'a:1, b:2',
    REDIS_PASSWORD: 'p',
  })
  t.same(cluster.redis, {
    kind: 'cluster',
    nodes: [
      { host: 'a', port: 1 },
      { host: 'b', port: 2 },
    ],
    password: 'p',
  })
})

t.test('REDIS_USERNAME and REDIS_PASSWORD apply to REDIS_URL', async (t) => {
  const special = 'p@s:s/w?o#r%d[ü]'
  const url = (more: Record<string, string>) => {
    const { redis } = loadConfig(API, { ...least, REDIS_URL: 'rediss://h:6380/2', ...more })
    return new URL(redis?.kind === 'single' ? redis.url : '')
  }
  const both = url({ REDIS_USERNAME: 'app', REDIS_PASSWORD: special })
  t.match(both, { protocol: 'rediss:', host: 'h:6380', pathname: '/2', username: 'app' })
  t.equal(decodeURIComponent(both.password), special)
  t.match(url({ REDIS_PASSWORD: 'p' }), { username: '', password: 'p' })
  t.match(url({ REDIS_URL: 'redis://app@h', REDIS_PASSWORD: 'p' }), { username: 'app', password: 'p' })
  t.match(url({ REDIS_URL: 'redis://:p@h', REDIS_USERNAME: 'app' }), { username: 'app', password: 'p' })
  t.match(url({ REDIS_URL: 'redis://app:p@h', REDIS_USERNAME: 'app', REDIS_PASSWORD: 'p' }), {
    password: 'p',
  })
  const file = join(t.testdir({ password: `${special}\n` }), 'password')
  t.equal(decodeURIComponent(url({ REDIS_PASSWORD_FILE: file }).password), special)
})

t.test('the certificates for TLS with Redis come from files', async (t) => {
  const files = { REDIS_CA_FILE: AUTHORITY, REDIS_CERT_FILE: CLIENT, REDIS_KEY_FILE: CLIENT_KEY }
  const read = (name: string) => readFileSync(name, 'utf8').trim()
  const tls = { ca: read(AUTHORITY), certificate: read(CLIENT), key: read(CLIENT_KEY) }
  t.match(loadConfig(API, { ...least, REDIS_URL: 'rediss://h', ...files }).redis, { kind: 'single', tls })
  const cluster = { ...least, REDIS_CLUSTER_NODES: 'a:1', REDIS_TLS: 'on' }
  t.match(loadConfig(API, { ...cluster, ...files }).redis, { kind: 'cluster', tls })
  t.match(loadConfig(API, cluster).redis, { tls: {} }, 'public authorities')
  t.notOk('tls' in (loadConfig(API, { ...cluster, REDIS_TLS: 'off' }).redis ?? {}))
  t.match(
    faultsOf({ ...least, REDIS_URL: 'rediss://h', REDIS_KEY_FILE: AUTHORITY, REDIS_CERT_FILE: CLIENT }),
    [{ name: 'REDIS_KEY', message: /must be a private key in PEM without a passphrase$/ }],
  )
})

t.test('contradicting or ineffective settings of Redis are faults', async (t) => {
  const cases = [
    [{ REDIS_URL: 'redis://:hunter2@h', REDIS_PASSWORD: 'hunter3' }, 'REDIS_PASSWORD', /differs/],
    [{ REDIS_URL: 'redis://a:p@h', REDIS_USERNAME: 'b' }, 'REDIS_USERNAME', /differs/],
    [{ REDIS_URL: 'redis://h', REDIS_USERNAME: 'a' }, 'REDIS_USERNAME', /needs REDIS_PASSWORD/],
    [{ REDIS_CLUSTER_NODES: 'a:1', REDIS_USERNAME: 'a' }, 'REDIS_USERNAME', /needs REDIS_PASSWORD/],
    [{ REDIS_URL: 'redis://a@h' }, 'REDIS_URL', /no password/],
    [{ REDIS_URL: 'rediss://h?ssl_cert_reqs=none&db=3' }, 'REDIS_URL', /\?ssl_cert_reqs, \?db/],
    [{ REDIS_URL: 'redis://h/1#x' }, 'REDIS_URL', /#/],
    [{ REDIS_URL: 'redis://h', REDIS_TLS: 'on' }, 'REDIS_TLS', /write rediss/],
    [{ REDIS_URL: 'rediss://h', REDIS_TLS: 'off' }, 'REDIS_TLS', /contradicts/],
    [{ REDIS_URL: 'redis://h', REDIS_CA_FILE: AUTHORITY }, 'REDIS_CA', /no effect without .*rediss/],
    [{ REDIS_CLUSTER_NODES: 'a:1', REDIS_CA_FILE: AUTHORITY }, 'REDIS_CA', /no effect without REDIS_TLS=on/],
    [{ REDIS_URL: 'rediss://h', REDIS_CERT_FILE: AUTHORITY }, 'REDIS_CERT', /needs REDIS_KEY/],
    [{ REDIS_URL: 'rediss://h', REDIS_KEY_FILE: CLIENT_KEY }, 'REDIS_KEY', /needs REDIS_CERT/],
    [{ REDIS_URL: 'rediss://h', REDIS_CA: 'none' }, 'REDIS_CA', /must be certificates in PEM/],
  ] as const
  for (const [environment, name, message] of cases) {
    const faults = faultsOf({ ...least, ...environment })
    t.match(faults, [{ name, message }], JSON.stringify(environment))
    t.notMatch(JSON.stringify(faults), /hunter/)
    t.throws(() => readRedisTarget(environment), new ConfigError(faults))
  }
})

t.test('in production writes need a token unless AUTH says otherwise', async (t) => {
  const token = `ci:${'0'.repeat(64)}:write`
  t.equal(loadConfig(API, { ...least, NODE_ENV: 'production' }).auth, 'token')
  t.equal(loadConfig(API, { ...least, NODE_ENV: 'production', AUTH: 'off' }).auth, 'off')
  t.equal(loadConfig(API, least).apiDocs, true)
  t.equal(loadConfig(API, { ...least, NODE_ENV: 'production' }).apiDocs, false, 'docs are off in production')
  t.equal(loadConfig(API, { ...least, NODE_ENV: 'production', API_DOCS: 'on' }).apiDocs, true)
  t.same(
    loadConfig(API, { ...least, RATE_LIMIT_EXEMPT: '10.0.0.0/8, 2001:db8::/32,127.0.0.1' }).rateLimitExempt,
    ['10.0.0.0/8', '2001:db8::/32', '127.0.0.1'],
  )
  for (const wrong of [
    '10.0.0.0/33',
    'localhost',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    '2001:db8::/129',
    '10.0.0/8',
  ]) {
    t.throws(() => loadConfig(API, { ...least, RATE_LIMIT_EXEMPT: wrong }), /RATE_LIMIT_EXEMPT/, wrong)
  }
  t.match(loadConfig(API, { ...least, AUTH_TOKENS: token }).authTokens, [{ name: 'ci', scope: 'write' }])
  for (const wrong of ['ci', 'ci:xyz:write', `ci:${'0'.repeat(64)}:root`, `${token}:more`, `${token},`]) {
    t.match(faultsOf({ ...least, AUTH_TOKENS: wrong }), [{ name: 'AUTH_TOKENS' }], wrong)
  }
})

t.test('CORS_ORIGINS are origins as browsers send them', async (t) => {
  const origins = 'https://shop.example, http://localhost:5173'
  t.same(loadConfig(API, { ...least, CORS_ORIGINS: origins }).corsOrigins, [
    'https://shop.example',
    'http://localhost:5173',
  ])
  t.equal(loadConfig(API, least).corsOrigins, undefined)
  for (const wrong of [
    '*',
    'null',
    'shop.example',
    'https://shop.example/',
    'https://shop.example:443',
    'https://Shop.example',
    'https://*.example',
    'file:///x',
    'https://shop.example,',
  ])
    t.match(faultsOf({ ...least, CORS_ORIGINS: wrong }), [{ name: 'CORS_ORIGINS' }], wrong)
})

t.test('AUTH=jwt needs an issuer, an audience and a key set that is read by TLS', async (t) => {
  const jwt = {
    ...least,
    AUTH: 'jwt',
    JWT_ISSUER: 'https://issuer.example/',
    JWT_AUDIENCE: 'shop',
    JWT_JWKS_URL: 'https://issuer.example/keys',
  }
  t.same(loadConfig(API, jwt).jwt, {
    issuer: 'https://issuer.example/',
    audience: 'shop',
    jwksUrl: 'https://issuer.example/keys',
    clockSkewSeconds: 30,
    scopeClaim: 'scope',
    scopeNames: { write: 'write', admin: 'admin' },
  })
  t.match(loadConfig(API, { ...jwt, JWT_WRITE_SCOPE: 'shop:write', JWT_SCOPE_CLAIM: 'scp' }).jwt, {
    scopeClaim: 'scp',
    scopeNames: { write: 'shop:write', admin: 'admin' },
  })
  t.equal(loadConfig(API, { ...jwt, AUTH: 'token' }).jwt, undefined)
  t.same(
    faultsOf({ ...least, AUTH: 'jwt' }).map(({ name }) => name),
    ['JWT_ISSUER', 'JWT_AUDIENCE', 'JWT_JWKS_URL'],
  )
  for (const wrong of [
    'http://issuer.example/keys',
    'https://user:secret@issuer.example/',
    'keys',
    'file:///keys',
  ]) {
    const faults = faultsOf({ ...jwt, JWT_JWKS_URL: wrong })
    t.match(faults, [{ name: 'JWT_JWKS_URL' }], wrong)
    t.equal(faults.length, 1, 'one fault')
    t.notMatch(JSON.stringify(faults), 'secret')
  }
  for (const local of ['http://127.0.0.1:8080/keys', 'http://localhost/keys', 'http://[::1]/keys'])
    t.equal(loadConfig(API, { ...jwt, JWT_JWKS_URL: local }).jwt?.jwksUrl, local)
})

t.test('a service with wrong settings names them all and ends with code 78', async (t) => {
  const main = join(t.testdir({}), 'main.ts')
  writeFileSync(
    main,
    `import { loadConfigOrExit } from ${JSON.stringify(import.meta.resolve('./index.ts'))}\nloadConfigOrExit(${JSON.stringify(OTHER_API)})\n`,
  )
  const { status, stderr } = spawnSync(process.execPath, [main], { env: { PORT: 'x' }, encoding: 'utf8' })
  t.equal(status, 78)
  t.match(stderr, /PORT/)
  t.match(stderr, /DATABASE_URL/)
})

t.test('.env.example lists every setting and is current', async (t) => {
  const example = environmentExample(Object.values(SERVICES))
  for (const name of Object.keys(settings)) t.match(example, new RegExp(`^# ${name}=`, 'm'), name)
  t.equal(readFileSync(new URL('../../../.env.example', import.meta.url), 'utf8'), example)
})

t.test('each default can be written as text and is read back as itself', async (t) => {
  const text = environmentExample(Object.values(SERVICES))
    .split('\n')
    .flatMap((line) => /^# ([A-Z][A-Z0-9_]+)=(.+)$/.exec(line)?.slice(1, 3) ?? [])
  const environment: Record<string, string> = { ...least }
  for (let i = 0; i < text.length; i += 2) environment[text[i] ?? ''] = text[i + 1] ?? ''
  t.same(loadConfig(API, environment), loadConfig(API, least))
})
