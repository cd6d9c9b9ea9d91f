import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { changedBytes, faultProxy, testRedis, until } from '@reference/local-stack'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { createCache } from './index.ts'

// An error that no promise receives fails the file: tap reports it as an uncaught exception.

/** What a peer answers to everything that it receives. */
const ANSWERS: Readonly<Record<string, string | Buffer>> = {
  'random bytes': Buffer.from('f3a1c09b7e55d2011c9f00ff', 'hex'),
  'another protocol': 'HTTP/1.1 400 Bad Request\r\n\r\n',
  'a row of Postgres': Buffer.from('440000000600', 'hex'),
  'an unknown type': '?1\r\n',
  'a length that is no number': '$abc\r\n',
  'a negative length': '$-7\r\n',
  'a huge length': '$99999999999999\r\n',
  'a huge array': '*2147483647\r\n',
  'nested arrays': '*1\r\n'.repeat(5_000),
  'an empty line': '\r\n',
  'an error without a text': '-\r\n',
  'an unknown error': '-ODD \x00\x01\r\n',
  'a MOVED without a place': '-MOVED\r\n',
  'many replies to each command': '+OK\r\n'.repeat(500),
  'a number where a text is due': ':1\r\n',
  'an array where a text is due': '*2\r\n+a\r\n*-1\r\n',
  'a push of invalidations': '*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*1\r\n:5\r\n',
}

function open(t: Test, url: string) {
  const cache = createCache({ redis: { kind: 'single', url }, l2: { timeoutMs: 50 } })
  t.teardown(() => cache.close())
  return cache.namespace({ name: 'item', version: 1, ttlMs: 60_000, load: async (id: number) => ({ id }) })
}

t.test('whatever a peer in place of Redis sends, reads get the value of the loader', async (t) => {
  for (const [name, answer] of Object.entries(ANSWERS)) {
    const sockets = new Set<Socket>()
    const server = createServer((socket) => {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('data', () => socket.write(answer))
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const items = open(t, `redis://127.0.0.1:${(server.address() as AddressInfo).port}`)
    await until(`${name}: it has connected`, () => sockets.size > 0)
    for (let id = 1; id <= 20; id++) t.same((await items.get(id)).value, { id }, name)
    for (const socket of sockets) socket.destroy()
    server.close()
  }
})

const RUNS = Number(process.env.HOSTILE_RUNS ?? 15)
const SEED = Number(process.env.HOSTILE_SEED ?? 1)

t.test('changed bytes anywhere in the answers of a Redis leave the cache able to answer', async (t) => {
  const redis = await testRedis(t, { own: true })
  const proxy = await faultProxy(t, redis.port)
  const items = open(t, `redis://127.0.0.1:${proxy.port}`)
  const changes = fc.array(fc.tuple(fc.nat(600), fc.integer({ min: 1, max: 255 })), {
    minLength: 1,
    maxLength: 6,
  })
  let id = 0
  const property = fc.asyncProperty(changes, async (flips) => {
    await proxy.set({ kind: 'reset' })
    await proxy.set(changedBytes(flips))
    for (let n = 0; n < 20; n++) await items.get(++id)
    await proxy.set({ kind: 'reset' })
    await proxy.set({ kind: 'none' })
    await until('tier 2 is in use again', async () => (await items.get(1)).from !== 'off')
  })
  const result = await fc.check(property, { numRuns: RUNS, seed: SEED, interruptAfterTimeLimit: 120_000 })
  t.notOk(result.failed, fc.defaultReportMessage(result) ?? `${result.numRuns} runs, seed ${SEED}`)
})
