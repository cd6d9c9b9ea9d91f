import { once } from 'node:events'
import { connect } from 'node:net'
import { startTlsRedis, testCertificate } from '@reference/local-stack'
import { KINDS } from '@reference/tools/recorded-faults'
import { type Cell, type Expected, restart } from './cell.ts'
import { answers, movedName, path, withoutName, wrongBytes } from './network.ts'
import type { FaultStack } from './stack.ts'
import { HOSTS } from './stack.ts'

/** Redis is optional: every call succeeds without it. */
const unaffected: Expected = { unaffected: KINDS, replyMs: 3_000 }

const cell = (fault: string, holdMs: number, cause: Cell['cause']): Cell => ({
  system: 'Redis',
  fault,
  holdMs,
  cause,
  expected: unaffected,
})

/** A connection past the proxy. */
async function admin({ redisServer }: FaultStack) {
  const socket = connect(redisServer.port, '127.0.0.1')
  return {
    async send(...words: string[]): Promise<void> {
      socket.write(`*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`)
      await once(socket, 'data')
    },
    end: () => socket.destroy(),
  }
}

const setting = (name: string, value: string, usual: string) => async (stack: FaultStack) => {
  const { send, end } = await admin(stack)
  await send('CONFIG', 'SET', name, value)
  return async () => {
    await send('CONFIG', 'SET', name, usual)
    end()
  }
}

/** Open connections end, and no new one is accepted. */
async function takeAllPlaces(stack: FaultStack) {
  const { send, end } = await admin(stack)
  await send('CONFIG', 'SET', 'maxclients', '1')
  await send('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
  await send('CLIENT', 'KILL', 'TYPE', 'pubsub', 'SKIPME', 'yes')
  return async () => {
    await send('CONFIG', 'SET', 'maxclients', '10000')
    end()
  }
}

/** The API starts with another Redis, whose certificate it verifies, and which expires. */
function expiredCertificate(): Cell {
  const ends: (() => unknown)[] = []
  return {
    ...cell('the TLS certificate has expired', 4_000, async ({ api }) => {
      const redis = await startTlsRedis({ teardown: (end) => ends.push(end) })
      await api.kill()
      await api.start({
        environment: { REDIS_URL: redis.url, REDIS_CA_FILE: testCertificate('authority.crt') },
      })
      await redis.present('expired')
      return () => redis.present('server')
    }),
    // Its callers see the start.
    expected: { unaffected: KINDS.filter((kind) => kind !== 'aggregate'), stops: true },
    async restore({ api }) {
      await restart(api)
      for (const end of ends.reverse()) await end()
    },
  }
}

export const redisCells: readonly Cell[] = [
  cell('latency of 200 ms', 3_000, path('redis', { kind: 'latency', ms: 200 })),
  cell('jitter of up to 100 ms', 3_000, path('redis', { kind: 'latency', ms: 1, jitterMs: 100 })),
  { ...cell('black hole', 3_000, path('redis', { kind: 'black hole' })), isShort: true },
  cell('half-open', 3_000, path('redis', { kind: 'half-open' })),
  cell('requests arrive, answers do not', 3_000, path('redis', { kind: 'deaf' })),
  cell('reset', 3_000, path('redis', { kind: 'reset' })),
  cell('refused', 3_000, path('redis', { kind: 'refused' })),
  cell('one byte a second', 3_000, path('redis', { kind: 'trickle', bytesPerSecond: 1 })),
  cell('cut in mid-reply', 3_000, path('redis', { kind: 'cut', afterBytes: 10 })),
  cell('every 4th byte is wrong', 3_000, path('redis', wrongBytes(4))),
  cell('another protocol', 3_000, answers('redis', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'))),
  cell('the name is gone', 3_000, withoutName('redis', 'cache.fault.test', HOSTS)),
  cell('the name moves to another address', 3_000, movedName('redis', 'cache.fault.test', HOSTS)),
  expiredCertificate(),
  cell('refused writes (NOREPLICAS)', 3_000, setting('min-replicas-to-write', '5', '0')),
  cell('maxclients reached', 3_000, takeAllPlaces),
  cell('stands still (SIGSTOP)', 3_000, async ({ redisServer }) => {
    redisServer.pause()
    return () => redisServer.resume()
  }),
  cell('restarts empty', 3_000, async ({ redisServer }) => {
    await redisServer.kill()
    return () => redisServer.restart()
  }),
]
