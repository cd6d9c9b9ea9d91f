import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { startRedis } from '@reference/local-stack'
import { Redis } from 'ioredis'

/**
 * Cost of invalidation for one Redis as the fleet grows: each process has a tracking link to each master, which sends a PING every
 * 40 ms and receives every changed key. docs/SCALING.md is based on these figures.
 */
const help = `node packages/cache/bench/invalidations.ts [--links 1,20,200,2000] [--rounds 3]

For each number of links: the share of Redis's core that their PINGs take; what a write (the three commands of an
invalidation, then the fill by the next reader) costs Redis and sends to each link, at 50 writes a second; and how
many writes a second Redis does at most, from 16 writers. Medians; about 14 s a number and round.
`

const { values } = parseArgs({
  options: {
    links: { type: 'string', default: '1,20,200,2000' },
    rounds: { type: 'string', default: '3' },
    help: { type: 'boolean', short: 'h' },
  },
})
if (values.help) {
  process.stdout.write(help)
  process.exit()
}

const PERIOD_MS = 3_000
const WRITES_PER_SECOND = 50
const WRITERS = 16
const VALUE = 'x'.repeat(150)

interface Heard {
  messages: number
  bytes: number
}
interface Figures {
  kilobytesPerLink: number
  pings: number
  pingShare: number
  microsecondsPerWrite: number
  messagesPerWrite: number
  bytesPerWrite: number
  mostWrites: number
  messagesAtMost: number
}

const redisServer = await startRedis()
const redis = new Redis(redisServer.url)
const writers = Array.from({ length: WRITERS }, () => new Redis(redisServer.url))
try {
  const rows: [number, Figures][] = []
  for (const links of values.links.split(',').map(Number)) {
    const rounds: Figures[] = []
    for (let round = 0; round < Number(values.rounds); round++) rounds.push(await measure(links))
    rows.push([links, medians(rounds)])
  }
  print(rows)
} finally {
  for (const each of [redis, ...writers]) each.disconnect()
  await redisServer.stop()
}

async function measure(links: number): Promise<Figures> {
  const memory = await infoNumber('memory', 'used_memory')
  const fleet = fork(new URL('./tracking-links.ts', import.meta.url), [`${redisServer.port}`, `${links}`])
  await once(fleet, 'message')
  try {
    const kilobytesPerLink = ((await infoNumber('memory', 'used_memory')) - memory) / links / 1024
    const idle = (await cpuWhile(() => sleep(PERIOD_MS))).share
    fleet.send('pings')
    await sleep(200)
    await redis.config('RESETSTAT')
    const pinging = (await cpuWhile(() => sleep(PERIOD_MS))).share
    const pings =
      (Number(/cmdstat_ping:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1]) * 1000) / PERIOD_MS
    fleet.send('quiet')
    await sleep(200)

    const before = await heardBy(fleet)
    const paced = await cpuWhile(async () => {
      for (let sent = 0, began = performance.now(); sent < (WRITES_PER_SECOND * PERIOD_MS) / 1000; sent++) {
        await sleep(Math.max(0, began + (sent * 1000) / WRITES_PER_SECOND - performance.now()))
        await write(redis, sent)
      }
    })
    await sleep(200)
    const after = await heardBy(fleet)
    const writes = (WRITES_PER_SECOND * PERIOD_MS) / 1000

    let most = 0
    const full = await cpuWhile(async () => {
      const until = performance.now() + PERIOD_MS
      await Promise.all(
        writers.map(async (writer) => {
          while (performance.now() < until) await write(writer, most++)
        }),
      )
    })
    await sleep(500)
    const end = await heardBy(fleet)
    return {
      kilobytesPerLink,
      pings,
      pingShare: pinging - idle,
      microsecondsPerWrite: ((paced.share - idle) * paced.seconds * 1e6) / writes,
      messagesPerWrite: (after.messages - before.messages) / writes,
      bytesPerWrite: (after.bytes - before.bytes) / writes,
      mostWrites: most / full.seconds,
      messagesAtMost: (end.messages - after.messages) / most,
    }
  } finally {
    fleet.disconnect()
    await once(fleet, 'exit')
  }
}

/** As `src/removal.ts` invalidates a key; then the fill, which is announced as well. */
async function write(client: Redis, number: number): Promise<void> {
  const id = `user:1:{${number % 10_000}}`
  await client.pipeline().del(`l:${id}`).set(`c:${id}`, '', 'PX', 1).del(`c:${id}`).exec()
  await client.set(`c:${id}`, VALUE, 'PX', 300_000)
}

async function heardBy(fleet: ChildProcess): Promise<Heard> {
  fleet.send('heard')
  const [heard] = (await once(fleet, 'message')) as [Heard]
  return { ...heard }
}

/** The share of a core that Redis's main thread uses during the work. */
async function cpuWhile(work: () => Promise<unknown>): Promise<{ share: number; seconds: number }> {
  const [cpu, began] = [await cpuSeconds(), performance.now()]
  await work()
  const seconds = (performance.now() - began) / 1000
  return { share: ((await cpuSeconds()) - cpu) / seconds, seconds }
}

async function cpuSeconds(): Promise<number> {
  const of = (name: string) => infoNumber('cpu', `used_cpu_${name}_main_thread`)
  return (await of('user')) + (await of('sys'))
}

async function infoNumber(section: string, name: string): Promise<number> {
  return Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(await redis.info(section))?.[1])
}

function medians(rounds: Figures[]): Figures {
  const [first] = rounds
  if (first === undefined) throw new RangeError('at least one round')
  const median = (name: keyof Figures) =>
    rounds.map((each) => each[name]).sort((a, b) => a - b)[rounds.length >> 1]
  return Object.fromEntries(
    Object.keys(first).map((name) => [name, median(name as keyof Figures)]),
  ) as unknown as Figures
}

function print(rows: [number, Figures][]): void {
  const lines = rows.map(([links, figures]) =>
    [
      links,
      `${figures.kilobytesPerLink.toFixed(1)} KB`,
      figures.pings.toFixed(0),
      `${(figures.pingShare * 100).toFixed(1)} %`,
      `${figures.microsecondsPerWrite.toFixed(0)} µs`,
      `${(figures.microsecondsPerWrite / links).toFixed(1)} µs`,
      figures.messagesPerWrite.toFixed(2),
      figures.bytesPerWrite.toFixed(0),
      figures.mostWrites.toFixed(0),
      figures.messagesAtMost.toFixed(2),
    ].join(' | '),
  )
  const head = [
    'links',
    'memory a link',
    'PINGs/s',
    'of a core',
    'a write',
    'a write and link',
    'messages a write',
    'bytes a write',
    'writes/s at most',
    'messages a write then',
  ]
  process.stdout.write(`| ${head.join(' | ')} |\n|${'---:|'.repeat(head.length)}\n`)
  for (const line of lines) process.stdout.write(`| ${line} |\n`)
}
