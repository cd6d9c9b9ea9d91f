import { action, integer, runCommand } from '@reference/cli'
import { createWorkerPool } from '../src/index.ts'
import digest from './digest-task.ts'

await runCommand(
  'pnpm exec node packages/threads/bench/worker-crossover.ts',
  action({
    summary: 'Measure what a worker thread costs, and from which size on work belongs in one.',
    options: { rounds: integer({ help: 'measurements a row', fallback: 60 }) },
    async run({ rounds }) {
      await main(rounds)
    },
  }),
)

/**
 * The work is canonical JSON with SHA-256. "blocked" is how long one payload blocks the event loop: inline the CPU time of the
 * work, so that other load on the machine does not count; with a worker the copy of the text.
 */
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

/** An object of about `bytes` bytes of JSON: rows as an API has them, mostly small values under short names. */
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

// The mean, because the clock of CPU time ticks in milliseconds.
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
