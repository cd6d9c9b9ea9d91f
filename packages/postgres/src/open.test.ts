import { createServer } from 'node:net'
import { linkTo, startTlsPostgres, testCertificate, until, usualRules } from '@reference/local-stack'
import t from 'tap'
import { SESSION_SETTINGS } from './index.ts'
import { askBoth, askPostgresJs, failBoth, openPostgresJs } from './testing/both-drivers.ts'

const hasIpv6 = await new Promise<boolean>((resolve) => {
  const probe = createServer()
  probe.once('error', () => resolve(false))
  probe.listen(0, '::1', () => probe.close(() => resolve(true)))
})
const server = await startTlsPostgres(t, hasIpv6 ? '127.0.0.1,::1' : '127.0.0.1')
const { port, password, socketFolder } = server
const root = testCertificate('authority.crt')
const at = (host: string, query = '') => `postgres://reference:${password}@${host}:${port}/reference${query}`

const WHO = `select current_user::text as user, current_database()::text as database,
  (select ssl from pg_stat_ssl where pid = pg_backend_pid()) as encrypted`
const both = (row: object) => ({ postgresJs: row, nodePostgres: row })
const failing = (code: string | RegExp, message = /./) => [
  { code, message },
  { code, message },
]

t.test('both drivers get the same session from each form of a URL', async (t) => {
  await server.run(`create role "dotted.user" login password '${password}'`)
  await server.run(`create role "user@tenant" login password 'p@:/?#% ä€'`)
  await server.run('create database "dotted.user"')
  await server.run('create database "Räume & mehr"')
  const rest = { user: 'reference', database: 'reference' }
  const forms: [string, object][] = [
    [at('127.0.0.1'), { ...rest, encrypted: true }],
    [at('127.0.0.1').replace('postgres:', 'postgresql:'), { ...rest, encrypted: true }],
    [at('LOCALHOST', '?sslmode=require'), { ...rest, encrypted: true }],
    [`postgres://reference:${password}@127.0.0.1:${port}/`, rest],
    [`postgres://reference:${password}@127.0.0.1:${port}`, rest],
    [`postgres://reference:${password}@127.0.0.1:${port}/reference/`, rest],
    [
      `postgres://reference:${password}@127.0.0.1:${port}/R%C3%A4ume%20%26%20mehr`,
      { database: 'Räume & mehr' },
    ],
    [
      `postgres://dotted.user:${password}@127.0.0.1:${port}`,
      { user: 'dotted.user', database: 'dotted.user' },
    ],
    [
      `postgres://user%40tenant:p%40%3A%2F%3F%23%25%20%C3%A4%E2%82%AC@127.0.0.1:${port}/reference`,
      { user: 'user@tenant', database: 'reference' },
    ],
    [at('127.0.0.1', '?ssl=true'), { encrypted: true }],
    [at('127.0.0.1', '?sslmode=disable'), { encrypted: false }],
    [at('127.0.0.1', '?sslmode=allow'), { encrypted: false }],
    [at('127.0.0.1', '?sslmode=prefer'), { encrypted: true }],
    [at('127.0.0.1', '?sslmode=require'), { encrypted: true }],
    [at('127.0.0.1', '?sslmode=require&sslnegotiation=direct'), { encrypted: true }],
    [at('127.0.0.1', '?sslmode=require&channel_binding=require'), { encrypted: true }],
    [at('127.0.0.1', `?sslmode=require&sslrootcert=${root}`), { encrypted: true }],
    [at('127.0.0.1', `?sslmode=verify-ca&sslrootcert=${root}`), { encrypted: true }],
    [at('127.0.0.1', `?sslmode=verify-full&sslrootcert=${root}`), { encrypted: true }],
    [at('LocalHost', `?sslmode=verify-full&sslrootcert=${root}&sslsni=0`), { encrypted: true }],
    [at('localhost', `?sslmode=verify-full&sslrootcert=${root}&hostaddr=127.0.0.1`), { encrypted: true }],
    [at('127.0.0.1', '?sslmode=require&ssl_min_protocol_version=TLSv1.3'), { encrypted: true }],
    [
      `postgres://reference:${password}@/reference?host=${socketFolder}&port=${port}`,
      { ...rest, encrypted: false },
    ],
    [
      `postgres://reference:${password}@${encodeURIComponent(socketFolder)}:${port}/reference?sslmode=require`,
      { encrypted: false },
    ],
    [`postgres:///reference?host=127.0.0.1&port=${port}&user=reference&password=${password}`, rest],
    ...(hasIpv6
      ? ([
          [at('[::1]'), { ...rest, encrypted: true }],
          [at('[::1]', `?sslmode=verify-full&sslrootcert=${root}`), { encrypted: true }],
        ] as [string, object][])
      : []),
  ]
  for (const [url, expected] of forms)
    t.match(await askBoth(url, WHO), both(expected), url.replace(password, '…'))
})

t.test('libpq variables in the environment have no effect', async (t) => {
  const wrong = {
    PGHOST: '127.0.0.9',
    PGPORT: '1',
    PGUSER: 'other',
    PGUSERNAME: 'other',
    PGPASSWORD: 'other',
    PGDATABASE: 'other',
    PGSSLMODE: 'disable',
    PGSSLNEGOTIATION: 'direct',
    PGOPTIONS: '-c TimeZone=Asia/Kathmandu',
    PGAPPNAME: 'other',
    PGTARGETSESSIONATTRS: 'standby',
    PGTARGET_SESSION_ATTRS: 'standby',
    PGMAX: '0',
    PGSSL: 'true',
    PGTZ: 'Asia/Kathmandu',
    PGDATESTYLE: 'SQL, DMY',
    PGCLIENTENCODING: 'LATIN1',
    PGCLIENT_ENCODING: 'LATIN1',
    PGREPLICATION: 'database',
    PGCONNECT_TIMEOUT: '1',
    PGFETCH_TYPES: 'true',
    PGPREPARE: 'false',
    PGCHANNELBINDING: 'require',
  }
  Object.assign(process.env, wrong)
  t.teardown(() => {
    for (const name of Object.keys(wrong)) delete process.env[name]
  })
  const statement = `select current_user::text as user, current_setting('TimeZone') as zone,
    current_setting('application_name') as application, current_setting('client_encoding') as encoding`
  const expected = { user: 'reference', zone: 'UTC', application: 'test', encoding: 'UTF8' }
  t.same(await askBoth(at('127.0.0.1'), statement), both(expected))
  t.equal(process.env.PGHOST, '127.0.0.9', 'the environment of the process is unchanged')
  // An empty password is not replaced by PGPASSWORD.
  process.env.PGPASSWORD = password
  const without = at('127.0.0.1').replace(`:${password}@`, '@')
  for (const { message } of await failBoth(without)) t.match(message, /password/)
})

t.test('a certificate that cannot be trusted ends the attempt with a reason', async (t) => {
  const verified = at('127.0.0.1', `?sslmode=verify-full&sslrootcert=${root}`)
  const stranger = testCertificate('other-authority.crt')
  const untrusted = failing(
    /^(UNABLE_TO_VERIFY_LEAF_SIGNATURE|SELF_SIGNED_CERT_IN_CHAIN)$/,
    /^TLS with 127\.0\.0\.1:\d+: /,
  )
  for (const mode of ['require', 'verify-ca', 'verify-full']) {
    t.match(await failBoth(at('127.0.0.1', `?sslmode=${mode}&sslrootcert=${stranger}`)), untrusted, mode)
  }
  t.match(await failBoth(at('127.0.0.1', '?sslrootcert=system')), untrusted, 'the roots of this machine')
  t.match(
    await failBoth(at('127.0.0.1', '?sslmode=verify-ca')),
    untrusted,
    'the roots of this machine are the default',
  )

  await server.present('elsewhere')
  t.match(await failBoth(verified), failing('ERR_TLS_CERT_ALTNAME_INVALID', /IP: 127\.0\.0\.1/))
  const chain = at('127.0.0.1', `?sslmode=verify-ca&sslrootcert=${root}`)
  t.match(await askBoth(chain, WHO), both({ encrypted: true }), 'verify-ca does not look at the name')
  const named = at('elsewhere.example', `?sslmode=verify-full&sslrootcert=${root}&hostaddr=127.0.0.1`)
  t.match(await askBoth(named, WHO), both({ encrypted: true }), 'host is the name, hostaddr the address')

  await server.present('expired')
  t.match(await failBoth(verified), failing('CERT_HAS_EXPIRED', /expired/))
  t.match(
    await askBoth(at('127.0.0.1', '?sslmode=require'), WHO),
    both({ encrypted: true }),
    'require verifies nothing',
  )
  await server.present('server')
  t.match(
    await askBoth(verified, WHO),
    both({ encrypted: true }),
    'a new certificate is found without a restart',
  )
})

t.test('allow and prefer follow the rules of the server', async (t) => {
  t.teardown(() => server.admit(usualRules))
  // The query makes each set of rules a server of its own: the route to a server is kept until it refuses.
  let rules = 0
  const atRules = (host: string, query: string) => `${at(host, query)}&keepalives_idle=${rules}`
  const admit = (lines: string[]) => {
    rules++
    return server.admit(['local all all scram-sha-256', ...lines])
  }
  await admit(['hostssl all all all scram-sha-256'])
  t.match(await askBoth(atRules('127.0.0.1', '?sslmode=allow'), WHO), both({ encrypted: true }))
  t.match(await failBoth(atRules('127.0.0.1', '?sslmode=disable')), failing('28000', /no encryption/))
  await admit(['hostnossl all all all scram-sha-256'])
  t.match(await askBoth(atRules('127.0.0.1', '?sslmode=prefer'), WHO), both({ encrypted: false }))
  t.match(await failBoth(atRules('127.0.0.1', '?sslmode=require')), failing('28000', /SSL encryption/))

  await admit(['hostssl all all all cert'])
  const [cert, key, locked] = ['client.crt', 'client.key', 'client-encrypted.key'].map(testCertificate)
  const own = (keyFile: string) => atRules('127.0.0.1', `?sslmode=require&sslcert=${cert}&sslkey=${keyFile}`)
  t.match(await askBoth(own(`${key}`), WHO), both({ user: 'reference', encrypted: true }))
  t.match(await askBoth(own(`${locked}&sslpassword=open-sesame`), WHO), both({ encrypted: true }))
  t.match(await failBoth(atRules('127.0.0.1', '?sslmode=require')), failing('28000'))

  await admit(['host all all all password'])
  t.match(await askBoth(atRules('127.0.0.1', '?sslmode=prefer'), WHO), both({ user: 'reference' }))
  const bound = atRules('127.0.0.1', '?sslmode=require&channel_binding=require')
  t.match(
    await failBoth(bound),
    failing('CHANNEL_BINDING', /not bound to TLS/),
    'a password is not sent in cleartext',
  )
  await admit(['host all all all trust'])
  t.match(await failBoth(bound), failing('CHANNEL_BINDING', /without a login/))
})

t.test('a login bound to TLS cannot be relayed by a server in the middle', async (t) => {
  await server.present('elsewhere')
  // The client sees the certificate of the server in the middle.
  const tls = await import('node:tls')
  const { readFileSync } = await import('node:fs')
  const net = await import('node:net')
  const options = {
    key: readFileSync(testCertificate('server.key')),
    cert: readFileSync(testCertificate('server.crt')),
  }
  const between = net.createServer((near) => {
    near.on('error', () => {})
    near.once('data', () => {
      near.write('S')
      const inside = new tls.TLSSocket(near, { isServer: true, ...options })
      const far = net.connect(port, '127.0.0.1')
      far.write(Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]))
      far.once('data', () => {
        const outside = tls.connect({ socket: far, rejectUnauthorized: false })
        inside.on('error', () => outside.destroy()).pipe(outside)
        outside.on('error', () => inside.destroy()).pipe(inside)
      })
    })
  })
  await new Promise<void>((resolve) => between.listen(0, '127.0.0.1', resolve))
  t.teardown(async () => {
    between.close()
    await server.present('server')
  })
  const { port: through } = between.address() as { port: number }
  const url = at('127.0.0.1', '?sslmode=require').replace(`:${port}/`, `:${through}/`)
  t.match(await askBoth(url, WHO), both({ encrypted: true }), 'require alone does not notice it')
  const failed = await failBoth(`${url}&channel_binding=require`)
  for (const { code, message } of failed) t.match(`${code} ${message}`, /channel binding check failed/)
})

t.test('a server without TLS serves disable, allow and prefer, and fails the other modes', async (t) => {
  await server.run('alter system set ssl = off')
  await server.present('server')
  t.teardown(async () => {
    await server.run('alter system set ssl = on')
    await server.present('server')
  })
  for (const mode of ['disable', 'allow', 'prefer']) {
    t.match(await askBoth(at('127.0.0.1', `?sslmode=${mode}`), WHO), both({ encrypted: false }), mode)
  }
  for (const mode of ['require', 'verify-ca', 'verify-full']) {
    t.match(
      await failBoth(at('127.0.0.1', `?sslmode=${mode}`)),
      failing('TLS_REFUSED', /does not offer TLS/),
      mode,
    )
  }
  t.match(
    await failBoth(at('127.0.0.1', '?sslmode=prefer&channel_binding=require')),
    failing('CHANNEL_BINDING'),
  )
})

t.test('a peer that is no Postgres, hangs or closes is a ConnectError', async (t) => {
  const answers: [string, (socket: import('node:net').Socket) => void, RegExp][] = [
    [
      'HTTP',
      (socket) => socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
      /NOT_POSTGRES/,
    ],
    [
      'Redis',
      (socket) => socket.once('data', () => socket.write('-ERR unknown command\r\n')),
      /NOT_POSTGRES/,
    ],
    ['SSH', (socket) => socket.write('SSH-2.0-OpenSSH_9.2\r\n'), /NOT_POSTGRES/],
    ['closing', (socket) => socket.end(), /CONNECTION_CLOSED|ECONNRESET|EPIPE/],
    ['resetting', (socket) => socket.resetAndDestroy(), /CONNECTION_CLOSED|ECONNRESET|EPIPE/],
    ['silent', () => {}, /CONNECT_TIMEOUT/],
    [
      'S and nothing behind it',
      (socket) => socket.once('data', () => socket.end('S')),
      /TLS_FAILED|ECONNRESET|CONNECTION_CLOSED/,
    ],
    ['text behind the S', (socket) => socket.once('data', () => socket.write('Sinjected')), /NOT_POSTGRES/],
  ]
  for (const [name, answer, expected] of answers) {
    const other = createServer((socket) => {
      socket.on('error', () => {})
      answer(socket)
    })
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const { port } = other.address() as { port: number }
    for (const mode of name.includes('S and') || name.includes('the S')
      ? ['require']
      : ['disable', 'require']) {
      // The others answer before the limit, also on a busy machine.
      const limit = name === 'silent' ? 1 : 20
      const url = `postgres://a:b@127.0.0.1:${port}/c?sslmode=${mode}&connect_timeout=${limit}`
      for (const { code, message } of await failBoth(url))
        t.match(code, expected, `${name}, ${mode}: ${message}`)
    }
    other.close()
  }
  t.match(
    await failBoth('postgres://a@127.0.0.1:1/b'),
    failing('ECONNREFUSED', /ECONNREFUSED 127\.0\.0\.1:1/),
  )
  t.match(await failBoth('postgres://a@no-such-host.invalid/b'), [
    { code: /ENOTFOUND|EAI_AGAIN/ },
    { code: /ENOTFOUND|EAI_AGAIN/ },
  ])
  t.match(await failBoth('postgres:///b?host=/no/such/folder'), failing('ENOENT'))
})

t.test('a session has the same settings whatever database and role set', async (t) => {
  const other: Record<string, string> = {
    DateStyle: 'SQL, DMY',
    IntervalStyle: 'sql_standard',
    TimeZone: 'Asia/Kathmandu',
    bytea_output: 'escape',
    default_transaction_isolation: 'serializable',
    extra_float_digits: '-15',
    search_path: 'elsewhere',
    standard_conforming_strings: 'off',
    client_encoding: 'LATIN1',
  }
  const asked = { ...SESSION_SETTINGS, client_encoding: 'UTF8' }
  t.same(Object.keys(asked).sort(), Object.keys(other).sort(), 'each setting is tried')
  const columns = Object.keys(asked).map((name) => `current_setting('${name}') as "${name}"`)
  for (const level of ['database reference', 'role reference', 'role reference in database reference']) {
    for (const [name, value] of Object.entries(other)) {
      await server.run(`alter ${level} set ${name} = '${value}'`.replace("'SQL, DMY'", "'SQL', 'DMY'"))
    }
    for (const url of [at('127.0.0.1'), at('127.0.0.1', '?options=-c%20TimeZone%3DAsia/Tokyo')]) {
      t.same(await askBoth(url, `select ${columns.join(', ')}`), both(asked), `alter ${level}`)
    }
    await server.run(`alter ${level} reset all`)
  }
})

t.test('a statement is cancelled over TLS, also after a login that is bound to TLS', async (t) => {
  for (const query of ['?sslmode=require', '?sslmode=require&channel_binding=require']) {
    const { sql, end } = openPostgresJs(at('127.0.0.1', query))
    t.teardown(end)
    const sleeping = sql.unsafe('select pg_sleep(60)')
    const failed = t.rejects(sleeping, { code: '57014' })
    const running = () =>
      server.run("select 1 from pg_stat_activity where query = 'select pg_sleep(60)' and state = 'active'")
    await until('it runs', async () => (await running()).length > 0)
    sleeping.cancel()
    await failed
    t.same(await sql.unsafe('select 1 as one'), [{ one: 1 }])
  }
})

t.test('options and application_name reach the server', async (t) => {
  const url = at('127.0.0.1', '?options=-c%20geqo%3Doff%20-c%20work_mem%3D7MB&application_name=mine')
  t.same(
    await askBoth(url, "select current_setting('geqo') as geqo, current_setting('work_mem') as memory"),
    both({ geqo: 'off', memory: '7MB' }),
  )
})

t.test('the route to a server is found again when the server changes', async (t) => {
  const link = await linkTo(t, at('127.0.0.1'))
  await link.mend()
  const url = `${link.url}?sslmode=prefer`
  t.match(await askPostgresJs(url, WHO), { encrypted: true })
  await server.run('alter system set ssl = off')
  await server.present('server')
  t.teardown(async () => {
    await server.run('alter system set ssl = on')
    await server.present('server')
  })
  await askPostgresJs(url, WHO).catch(() => {})
  t.match(await askPostgresJs(url, WHO), { encrypted: false })
})
