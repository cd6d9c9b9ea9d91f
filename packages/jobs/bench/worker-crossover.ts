import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { createWorkerPool } from '../src/index.ts'
import digest from './digest-task.ts'

const HELP = `What a worker thread costs, and from which size on canonical JSON with SHA-256 belongs in one.

  node packages/jobs/bench/worker-crossover.ts [--rounds 60]

"blocked" is how long the event loop stood still for one payload: the whole work inline (its CPU time, so that other
load on the machine does not count), the copy of the text with a worker.
`

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '60' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
if (values.help) {
  process.stdout.write(HELP)
} else {
  await main(Number(values.rounds))
}

async function main(rounds: number): Promise<void> {
  const pool = createWorkerPool({ filename: new URL('./digest-task.ts', import.meta.url), threads: 1 })
  await pool.run(undefined, { name: 'nothing' })

  const noop = await median(2_000, () => pool.run(undefined, { name: 'nothing' }))
  print(`no-op: ${micro(noop)}`)
  const thousand = rows(1_000)
  print(
    `echo of 1,000 rows as objects: ${milli(await median(rounds, () => pool.run(thousand, { name: 'echo' })))}`,
  )
  const text = JSON.stringify(thousand)
  const echoed = await median(rounds, () => pool.run(text, { name: 'echo' }))
  print(`echo of the same as one string of ${Math.round(text.length / 1024)} KiB: ${milli(echoed)}`)
  const replaced: number[] = []
  for (let round = 0; round < 10; round++) {
    const abort = new AbortController()
    const hanging = pool.run(undefined, { name: 'hang', signal: abort.signal }).catch(() => {})
    await pool.run(undefined, { name: 'nothing', signal: AbortSignal.timeout(20) }).catch(() => {})
    const began = performance.now()
    abort.abort()
    await hanging
    await pool.run(undefined, { name: 'nothing' })
    replaced.push(performance.now() - began)
  }
  print(`abort and the next task on a new thread: ${milli(middle(replaced))}\n`)

  print('| payload | inline: blocked | worker: blocked | worker: until the answer |\n|---|---|---|---|')
  for (const kib of [16, 32, 64, 96, 128, 192, 256, 384, 512, 768, 1024]) {
    const json = payload(kib * 1024)
    const inline = cpuTime(rounds, () => digest(json))
    const blocked: number[] = []
    const answered = await median(rounds, () => {
      const began = performance.now()
      const answer = pool.run(json)
      blocked.push(performance.now() - began)
      return answer
    })
    print(`| ${kib} KiB | ${milli(inline)} | ${milli(middle(blocked))} | ${milli(answered)} |`)
  }
  await pool.close()
}

/** An object of about so many bytes of JSON: the rows of an API, so mostly small values under short names. */
function payload(bytes: number): string {
  const size = JSON.stringify(rows(100)).length / 100
  return JSON.stringify({ items: rows(Math.round(bytes / size)) })
}

function rows(count: number) {
  return Array.from({ length: count }, (_, id) => ({
    id,
    userId: id % 1_000,
    productId: id % 97,
    quantity: (id % 5) + 1,
    totalCents: id * 13,
    status: 'pending',
    createdAt: new Date(1_700_000_000_000 + id * 1_000).toISOString(),
  }))
}

// Mean, since the clock of CPU time ticks in milliseconds.
function cpuTime(rounds: number, work: () => unknown): number {
  const before = process.threadCpuUsage()
  for (let round = 0; round < rounds; round++) work()
  const { user, system } = process.threadCpuUsage(before)
  return (user + system) / 1_000 / rounds
}

async function median(rounds: number, work: () => unknown): Promise<number> {
  const times: number[] = []
  for (let round = 0; round < rounds; round++) {
    const began = performance.now()
    await work()
    times.push(performance.now() - began)
  }
  return middle(times)
}

function middle(times: number[]): number {
  return times.toSorted((a, b) => a - b)[times.length >> 1] ?? Number.NaN
}

function micro(ms: number): string {
  return `${Math.round(ms * 1_000)} µs`
}

function milli(ms: number): string {
  return `${ms.toFixed(2)} ms`
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
