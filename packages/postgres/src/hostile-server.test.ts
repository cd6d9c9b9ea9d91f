import { changedBytes, faultProxy, testDatabase } from '@reference/local-stack'
import fc from 'fast-check'
import t from 'tap'
import { failBoth, openNodePostgres, openPostgresJs } from './testing/both-drivers.ts'
import { authentication, fakeServer, LOGGED_IN, message } from './testing/fake-server.ts'
import { settlesWithin } from './testing/settles-within.ts'

// An error that no promise receives fails the file: tap reports it as an uncaught exception.

const NOT_POSTGRES = /^NOT_POSTGRES$/
const LOGIN_METHOD = /^LOGIN_METHOD$/
const REFUSED = /^(28000|28P01|XX999|LOGIN_REFUSED|CONNECT_FAILED)$/
const LOST = /^(PROTOCOL_VIOLATION|NOT_POSTGRES)$/
const challenge = (text: string) =>
  Buffer.concat([authentication(10, 'SCRAM-SHA-256\0\0'), authentication(11, text)])
const hugeLength = (type: string, length: number) => {
  const bytes = message(type, 'abcdefgh')
  bytes.writeUInt32BE(length, 1)
  return bytes
}
const columns = (count: number, rest = '') => message('T', `${String.fromCharCode(0, count)}${rest}`)
const random = Buffer.from('f3a1c09b7e55d2011c9f00', 'hex')

/** Instead of the first answer of the login. */
const FIRST_ANSWERS: [name: string, answer: Buffer, code: RegExp][] = [
  ['a login by Kerberos', authentication(2), LOGIN_METHOD],
  ['a login by SCM', authentication(6), LOGIN_METHOD],
  ['a login by GSSAPI, as with a gss line in pg_hba.conf', authentication(7), LOGIN_METHOD],
  ['a login by SSPI', authentication(9), LOGIN_METHOD],
  ['a login by an unknown method', authentication(42), LOGIN_METHOD],
  ['SASL without SCRAM', authentication(10, 'OAUTHBEARER\0\0'), LOGIN_METHOD],
  ['SASL without an end', authentication(10, 'SCRAM-SHA-256'), NOT_POSTGRES],
  ['SASL without a mechanism', authentication(10, '\0\0'), LOGIN_METHOD],
  ['MD5 without salt', authentication(5), NOT_POSTGRES],
  ['a login without a kind', message('R'), NOT_POSTGRES],
  ['a challenge before SASL', authentication(11, 'r=a,s=YQ==,i=4096'), LOST],
  ['the end of SASL at once', authentication(12, 'v=YQ=='), LOST],
  ['an empty challenge', challenge(''), NOT_POSTGRES],
  ['a challenge without salt', challenge('r=abc,i=4096'), NOT_POSTGRES],
  ['a challenge without iterations', challenge('r=abc,s=YQ=='), NOT_POSTGRES],
  ['a challenge of a billion iterations', challenge('r=abc,s=YQ==,i=999999999'), NOT_POSTGRES],
  [
    'a challenge with another nonce',
    Buffer.concat([challenge('r=abc,s=YQ==,i=4096'), authentication(12, 'v=YQ==')]),
    /./,
  ],
  ['the same login twice', Buffer.concat([authentication(3), authentication(3)]), NOT_POSTGRES],
  ['a session before the login', message('Z', 'I'), NOT_POSTGRES],
  ['settings before the login', message('S', 'a\0b\0'), NOT_POSTGRES],
  ['a row before the login', message('D', '\0\0'), NOT_POSTGRES],
  ['an error without fields', message('E', '\0'), REFUSED],
  ['an error without its end', message('E', 'SFATAL\0'), NOT_POSTGRES],
  ['an error with an empty body', message('E'), NOT_POSTGRES],
  ['an error with odd fields', message('E', 'SFATAL\0CXX999\0\xffodd\0Mno\0\0'), REFUSED],
  ['an error without severity', message('E', 'CXX999\0Mno\0\0'), REFUSED],
  ['a text of HTTP', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'), NOT_POSTGRES],
  ['random bytes', random, NOT_POSTGRES],
  ['zeros', Buffer.alloc(64), NOT_POSTGRES],
  ['a huge length', hugeLength('R', 0xffff_ffff), NOT_POSTGRES],
  ['a length below its own size', hugeLength('R', 3), NOT_POSTGRES],
  ['the start of COPY', message('G', '\0\0\0'), NOT_POSTGRES],
  ['another version of the protocol', message('v', '\0\0\0\0\0\0\0\0'), NOT_POSTGRES],
]

for (const fromFirst of [false, true]) {
  t.test(
    `an unexpected answer ${fromFirst ? 'to the first' : 'to a later'} connection fails both drivers`,
    async (t) => {
      for (const [name, first, code] of FIRST_ANSWERS) {
        const { url } = await fakeServer(t, { first, fromFirst })
        for (const error of await failBoth(url))
          t.match(String(error.code), code, `${name}: ${error.code} ${error.message}`)
      }
    },
  )
}

/** Instead of the answer to the first statement of a session. */
const LATER_ANSWERS: [name: string, answer: Buffer][] = [
  ['the end of a statement that has no answer', message('Z', 'I')],
  ['an unknown state at the end', message('Z', 'X')],
  ['a login', authentication(0)],
  ['a login by GSSAPI', authentication(7)],
  ['a key', message('K', '\0\0\0\x01\0\0\0\x02')],
  ['a description without its columns', columns(3)],
  ['a description that is cut', columns(1, 'name\0\0\0')],
  ['parameters without their types', message('t', '\0\x05')],
  ['a row without its columns', message('D', '\0\x04')],
  ['a row whose column is longer than the row', message('D', '\0\x01\0\0\xff\xffx')],
  ['a row whose column has a negative length', message('D', '\0\x01\xff\xff\xff\xf0')],
  ['an end without its zero', message('C', 'SELECT 1')],
  ['the start of COPY from the client', message('G', '\0\0\0')],
  ['the start of COPY to the client', message('H', '\0\0\0')],
  ['the start of replication', message('W', '\0\0\0')],
  ['data of COPY', message('d', 'abc')],
  ['the result of a function', message('V', '\0\0\0\0')],
  ['an unknown message', message('\xfe', 'abc')],
  ['random bytes', random],
  ['a huge length', hugeLength('T', 0x7fff_ffff)],
]

t.test('an unexpected answer to a statement fails it with both drivers', async (t) => {
  for (const [name, afterLogin] of LATER_ANSWERS) {
    const { url } = await fakeServer(t, { afterLogin })
    for (const error of await failBoth(url)) {
      t.match(error.code, /^PROTOCOL_VIOLATION$/, `${name}: ${error.code} ${error.message}`)
    }
  }
})

t.test('a session that a server greets and then ends is a lost connection', async (t) => {
  const fatal = message('E', 'SFATAL\0VFATAL\0C57P01\0Mterminating connection\0\0')
  const { url } = await fakeServer(t, { afterLogin: fatal, ends: true })
  for (const error of await failBoth(url)) t.match(error.code, /^(57P01|CONNECTION_CLOSED)$/)
  const early = await fakeServer(t, { first: Buffer.concat([LOGGED_IN, fatal, random]), ends: true })
  for (const error of await failBoth(early.url))
    t.match(error.code, /^(57P01|PROTOCOL_VIOLATION|CONNECTION_CLOSED)$/)
})

const RUNS = Number(process.env.HOSTILE_RUNS ?? 15)
const SEED = Number(process.env.HOSTILE_SEED ?? 1)

t.test('changed bytes anywhere in the answers of a Postgres leave both drivers able to fail', async (t) => {
  const { url } = await testDatabase(t, { from: 'template' })
  const proxy = await faultProxy(t, Number(new URL(url).port))
  const through = Object.assign(new URL(url), { port: String(proxy.port) }).href
  const statement = 'select id, email, name, created_at from users order by id limit 20'
  const open = { 'postgres.js': openPostgresJs, 'node-postgres': openNodePostgres }
  // Finds the route, so that the changed bytes reach the drivers.
  for (const each of Object.values(open)) {
    const { run, end } = each(through)
    t.equal((await run(statement)).length, 20)
    await end()
  }
  const changes = fc.array(fc.tuple(fc.nat(2_500), fc.integer({ min: 1, max: 255 })), {
    minLength: 1,
    maxLength: 4,
  })
  for (const [driver, each] of Object.entries(open)) {
    const property = fc.asyncProperty(changes, async (flips) => {
      await proxy.set(changedBytes(flips))
      const { run, end } = each(through)
      // A changed length makes a driver wait for the rest: in the services the watchdog ends that.
      await settlesWithin(run(statement), 300)
      await end()
      await proxy.set({ kind: 'none' })
      const { run: again, end: done } = each(through)
      if ((await again(statement)).length !== 20) throw new Error('the next connection is wrong')
      await done()
    })
    const result = await fc.check(property, { numRuns: RUNS, seed: SEED, interruptAfterTimeLimit: 120_000 })
    t.notOk(
      result.failed,
      `${driver}: ${fc.defaultReportMessage(result) ?? `${result.numRuns} runs, seed ${SEED}`}`,
    )
  }
})
