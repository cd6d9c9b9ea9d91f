import { writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { testCertificate } from '@reference/local-stack'
import t from 'tap'
import { postgresServer, UrlError } from './index.ts'

const faultOf = (url: string): string => {
  try {
    postgresServer(url)
    return 'none'
  } catch (error) {
    t.ok(error instanceof UrlError, String(error))
    return (error as Error).message
  }
}

t.test('a URL has the parts that libpq reads', async (t) => {
  const user = userInfo().username
  const least = { host: 'db', port: 5432, user, password: '', database: user, tls: { mode: 'prefer' } }
  const forms: [string, object][] = [
    ['postgres://db', least],
    ['POSTGRESQL://DB/', least],
    ['postgres://app@db', { user: 'app', database: 'app', password: '' }],
    ['postgres://app:@db:/x/', { user: 'app', password: '', database: 'x', port: 5432 }],
    ['postgres://app.tenant-1:p@db:6543/x', { user: 'app.tenant-1', port: 6543, database: 'x' }],
    ['postgres://app%40server:p@db', { user: 'app@server', database: 'app@server' }],
    ['postgres://app:p@ss:w@db/x', { user: 'app', password: 'p@ss:w', host: 'db' }],
    ['postgres://app:p#w?d@db/x', { password: 'p#w?d', host: 'db', database: 'x' }],
    [
      'postgres://app:%40%3A%2F%3F%23%25%20%C3%BC+@db/x',
      { password: '@:/?#% ü+', host: 'db', database: 'x' },
    ],
    ['postgres://db?user=a@b&dbname=x', { host: 'db', user: 'a@b', database: 'x' }],
    ['postgres://app@[2001:DB8::1]:5433/x', { host: '2001:db8::1', port: 5433 }],
    ['postgres://app@[::1]', { host: '::1', port: 5432 }],
    ['postgres://app@db/a%2Fb%20c', { database: 'a/b c' }],
    ['postgres://app@db/x?host=/run/pg&port=6', { host: '/run/pg', socketPath: '/run/pg/.s.PGSQL.6' }],
    ['postgres://app@%2Frun%2Fpg/x', { socketPath: '/run/pg/.s.PGSQL.5432' }],
    ['postgres://app@db/x?hostaddr=10.0.0.1', { host: 'db', address: '10.0.0.1' }],
    ['postgres://app@db/x?connect_timeout=0&keepalives=0', { connectTimeoutSeconds: 0, keepAliveSeconds: 0 }],
    ['postgres://app@db/x?options=project%3Da%2Bb+c', { options: 'project=a+b+c' }],
  ]
  for (const [url, expected] of forms) t.match(postgresServer(url), expected, url)
  t.equal(postgresServer('postgres://db'), postgresServer('postgres://db'), 'one URL is one object')
  t.throws(() => Object.assign(postgresServer('postgres://db').tls, { mode: 'disable' }), TypeError)
})

t.test('URLs in the form of the providers are accepted', async (t) => {
  const roots = testCertificate('authority.crt')
  const urls: [string, object][] = [
    [
      'postgres://app:p@ep-x-pooler.eu-central-1.aws.neon.tech/app?sslmode=require&channel_binding=require',
      { channelBinding: 'require', tls: { verify: 'nothing' } },
    ],
    [
      'postgresql://app:p@ep-x.neon.tech/app?options=endpoint%3Dep-x&sslmode=require',
      { options: 'endpoint=ep-x' },
    ],
    [
      'postgres://postgres.projectref:p@aws-0-eu-central-1.pooler.supabase.com:6543/postgres',
      { user: 'postgres.projectref', port: 6543 },
    ],
    [
      `postgres://app:p@x.rds.amazonaws.com:5432/app?sslmode=verify-full&sslrootcert=${roots}`,
      { tls: { verify: 'chain and name' } },
    ],
    [
      'postgres://app:p@x.postgres.database.azure.com/app?sslmode=verify-full&sslrootcert=system',
      { tls: { roots: undefined, verify: 'chain and name' } },
    ],
    [
      'postgres://app:p@/app?host=/cloudsql/project:region:instance',
      { socketPath: '/cloudsql/project:region:instance/.s.PGSQL.5432' },
    ],
    [
      'postgres://doadmin:p@x.db.ondigitalocean.com:25060/defaultdb?sslmode=require',
      { port: 25060, tls: { mode: 'require' } },
    ],
    ['postgres://avnadmin:p@x.aivencloud.com:12345/defaultdb?ssl=true', { tls: { mode: 'require' } }],
    ['postgres://u:p@ec2-1-2-3-4.compute-1.amazonaws.com:5432/d', { tls: { mode: 'prefer' } }],
  ]
  for (const [url, expected] of urls) t.match(postgresServer(url), expected, url)
})

t.test('the sslmode and the root certificate decide what is verified', async (t) => {
  const roots = `sslrootcert=${testCertificate('authority.crt')}`
  const modes: [string, string, string][] = [
    ['', 'prefer', 'nothing'],
    ['sslmode=require', 'require', 'nothing'],
    [`sslmode=require&${roots}`, 'require', 'chain'],
    [`sslmode=prefer&${roots}`, 'prefer', 'nothing'],
    [`sslmode=verify-ca&${roots}`, 'verify-ca', 'chain'],
    [`sslmode=verify-full&${roots}`, 'verify-full', 'chain and name'],
    ['sslrootcert=system', 'verify-full', 'chain and name'],
  ]
  for (const [query, mode, verify] of modes) {
    t.match(postgresServer(`postgres://app@db/x?${query}`).tls, { mode, verify }, query)
  }
})

t.test('an unusable part is refused by its name, without the password', async (t) => {
  const folder = t.testdir({
    'empty.crt': '',
    'broken.crt': '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
  })
  const [cert, key, other] = ['client.crt', 'client.key', 'server.key'].map(testCertificate)
  const locked = testCertificate('client-encrypted.key')
  const queries: [string, RegExp][] = [
    ['sslmode=on', /^sslmode must be disable, allow, prefer, require, verify-ca, verify-full, got "on"$/],
    ['sslmode=no-verify', /^sslmode=no-verify .* require$/],
    ['sslmode=', /^sslmode has no value$/],
    ['sslmode=require&sslmode=disable', /^sslmode is given twice$/],
    ['sslmode=require&ssl=true', /^ssl cannot be used with sslmode$/],
    ['ssl=false', /^ssl must be true here$/],
    ['sslrootcert=/no/such.crt', /^sslrootcert: cannot be read: ENOENT \/no\/such\.crt$/],
    [`sslrootcert=${folder}`, /^sslrootcert: cannot be read: EISDIR/],
    [`sslrootcert=${join(folder, 'empty.crt')}`, /^sslrootcert: .* holds no certificate in PEM$/],
    [`sslrootcert=${join(folder, 'broken.crt')}`, /^sslrootcert: a certificate in .* cannot be read$/],
    ['sslmode=require&sslrootcert=system', /^sslrootcert=system needs sslmode=verify-full$/],
    [`sslcert=${cert}`, /^sslcert and sslkey are given together$/],
    [`sslcert=${cert}&sslkey=/no/such.key`, /^sslkey: cannot be read: ENOENT/],
    [`sslcert=${cert}&sslkey=${other}`, /^sslkey is not the key of sslcert$/],
    [`sslcert=${cert}&sslkey=${locked}`, /^sslkey: .* holds no private key in PEM that sslpassword opens$/],
    [`sslcert=${cert}&sslkey=${locked}&sslpassword=hunter2`, /^sslkey: /],
    [`sslcert=${key}&sslkey=${key}`, /^sslcert: .* holds no certificate/],
    ['sslpassword=hunter2', /^sslpassword needs sslcert and sslkey$/],
    ['sslnegotiation=direct', /^sslnegotiation=direct needs sslmode=require or above$/],
    ['sslnegotiation=odd&sslmode=require', /^sslnegotiation must be postgres, direct/],
    ['ssl_min_protocol_version=SSLv3', /^ssl_min_protocol_version must be TLSv1/],
    ['ssl_min_protocol_version=TLSv1.3&ssl_max_protocol_version=TLSv1.2', /must not be above/],
    ['channel_binding=yes', /^channel_binding must be disable, prefer, require/],
    ['channel_binding=require&sslmode=disable', /^channel_binding=require needs TLS/],
    ['target_session_attrs=read-write', /^target_session_attrs is not supported/],
    ['client_encoding=LATIN1', /^client_encoding must be UTF8/],
    ['connect_timeout=soon', /^connect_timeout must be a whole number/],
    ['gssencmode=require', /^gssencmode must be disable or prefer here$/],
    ['pgbouncer=true', /^pgbouncer is a parameter of Prisma/],
    ['connection_limit=1', /^connection_limit .* DB_POOL_MAX/],
    ['schema=other', /^schema must be public here$/],
    ['statement_timeout=5', /^statement_timeout is not supported: remove it/],
    ['SSLMODE=require', /^SSLMODE is not supported/],
    ['toString=1', /^toString is not supported/],
    ['host=a,b', /^several hosts are not supported/],
    ['hostaddr=db', /^hostaddr must be one IP address$/],
    ['port=99999', /^the port must be a number from 1 to 65535$/],
    ['application_name=%zz', /^application_name holds a % /],
  ]
  for (const [query, fault] of queries) t.match(faultOf(`postgres://app:hunter2@db/x?${query}`), fault, query)
  const urls: [string, RegExp][] = [
    ['mariadb://app:hunter2@db', /^must be a URL with postgres:\/\//],
    ['postgres:db', /^must be a URL/],
    ['postgres://', /^has no host$/],
    ['postgres:///x', /^has no host$/],
    ['postgres://app:hunter2%@db/x', /^the password holds a % that starts no encoded character/],
    ['postgres://app:hunter2%00@db/x', /^the password holds %00$/],
    ['postgres://app:hunter2@a:1,b:2/x', /^several hosts are not supported/],
    ['postgres://app:hunter2@::1/x', /^an IPv6 address must be in brackets/],
    ['postgres://app:hunter2@[db]/x', /^the text in the brackets must be an IPv6 address$/],
    ['postgres://app:hunter2@db:port/x', /^the port must be a number/],
    ['postgres://app:hunter2@db:0/x', /^the port must be a number/],
    ['postgres://app:hunter2@db/a/b', /^a slash in the name of the database must be written as %2F$/],
    ['postgres://app:hunter2@d b/x', /^the host must be a name/],
  ]
  for (const [url, fault] of urls) t.match(faultOf(url), fault, url)
  for (const url of [
    ...urls.map(([url]) => url),
    ...queries.map(([query]) => `postgres://app:hunter2@db/x?${query}`),
  ]) {
    t.notMatch(faultOf(url), /hunter2/, 'no password in the message')
  }
})

t.test('files are read once, with the URL', async (t) => {
  const { readFileSync, rmSync } = await import('node:fs')
  const file = join(t.testdir({}), 'roots.crt')
  writeFileSync(file, readFileSync(testCertificate('authority.crt')))
  const url = `postgres://app@db/x?sslmode=verify-full&sslrootcert=${file}`
  const { tls } = postgresServer(url)
  rmSync(file)
  t.equal(postgresServer(url).tls, tls)
  t.match(tls.roots, /BEGIN CERTIFICATE/)
})
