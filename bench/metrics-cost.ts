import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parseArgs } from 'node:util'
import { orderPage } from './scenarios/order-page.ts'
import { userById } from './scenarios/user-by-id.ts'
import { withBench } from './src/run/bench.ts'
import type { Bench } from './src/run/boot.ts'
import { shortDurations } from './src/run/plan.ts'
import { createProgress } from './src/run/progress.ts'
import type { Scenario } from './src/run/scenario.ts'
import { type Server, startServer } from './src/stack/server.ts'
import { pairedEffect } from './src/stats/effect.ts'

const help = `What METRICS costs, or tracing, in CPU time of the service a request. Linux.

  node bench/metrics-cost.ts [user-by-id] [order-page] [--traces 0.05] [--pairs 8] [--slices 24] [--same]

With --traces both have metrics, and one keeps the traces of that share of requests and sends them to a receiver here.

Starts the service twice, with metrics and without, and loads the two in turn, a quarter of a second at a time (A B B A …), so
that a machine that gets faster or slower meanwhile does so for both; a pair of boots is one figure. The benchmark's own
scenario has a boot after the other, 4 s apart: where the speed of a core changes by a half within minutes it sees nothing
below 15 %. With --same both have metrics: what is then seen is noise.
`

const SLICE_MS = 250
const WARM_UP_MS = 2_500

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    pairs: { type: 'string', default: '8' },
    slices: { type: 'string', default: '24' },
    same: { type: 'boolean', default: false },
    traces: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  },
})

const scenarios = [userById, orderPage].filter(
  ({ name }) => positionals.length === 0 || positionals.includes(name),
)

interface Spent {
  cpuMs: number
  seconds: number
  answered: number
}

/** CPU time of a process with all its threads that still run, in ms; the scheduler counts it in nanoseconds. */
function cpuMsOf(pid: number): number {
  const folder = `/proc/${pid}/task`
  const threads = readdirSync(folder).map((thread) => readFileSync(`${folder}/${thread}/schedstat`, 'utf8'))
  return threads.reduce((sum, text) => sum + Number(text.split(' ', 1)[0]) / 1e6, 0)
}

async function load(bench: Bench, scenario: Scenario, server: Server, durationMs: number): Promise<Spent> {
  const { connections, requests } = scenario
  const before = cpuMsOf(server.pid)
  const began = performance.now()
  const { answered, errors } = await bench.load.closed({
    origin: server.origin,
    connections,
    requests: requests(bench.stack.world),
    durationMs,
  })
  if (errors > 0) throw new Error(`${errors} requests failed`)
  return { cpuMs: cpuMsOf(server.pid) - before, seconds: (performance.now() - began) / 1000, answered }
}

type Side = 'on' | 'off'
type Sides = Record<Side, Spent>

/** Turn about, so that neither is always the first. */
const sidesOf = (turn: number): [Side, Side] => (turn % 2 === 0 ? ['on', 'off'] : ['off', 'on'])

async function measurePair(bench: Bench, scenario: Scenario, servers: Record<Side, Server>): Promise<Sides> {
  const nothing = () => ({ cpuMs: 0, seconds: 0, answered: 0 })
  const sides: Sides = { on: nothing(), off: nothing() }
  for (const side of ['on', 'off'] as const) await load(bench, scenario, servers[side], WARM_UP_MS)
  for (let slice = 0; slice < Number(values.slices); slice++) {
    for (const side of sidesOf(slice)) {
      const spent = await load(bench, scenario, servers[side], SLICE_MS)
      for (const name of ['cpuMs', 'seconds', 'answered'] as const) sides[side][name] += spent[name]
    }
  }
  return sides
}

function ratioOf(sides: readonly Sides[], figure: (side: Spent) => number): string {
  const { ratio, low, high } = pairedEffect(sides.map(({ on, off }) => figure(on) / figure(off)))
  return `${ratio.toFixed(3)} (${low.toFixed(3)} to ${high.toFixed(3)})`
}

/** Takes what is sent by OTLP over HTTP, and forgets it; ends with the process. */
async function startReceiver(): Promise<string> {
  const server = createServer((request, response) => {
    request.resume().once('end', () => response.setHeader('content-type', 'application/json').end('{}'))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.unref()
  return `http://127.0.0.1:${port}`
}

async function measure(bench: Bench): Promise<void> {
  const { stack, folder, placement, signal } = bench
  const environment = {
    DATABASE_URL: stack.databaseUrl,
    ...(stack.redisUrl && { REDIS_URL: stack.redisUrl }),
  }
  const tracing = {
    NODE_OPTIONS: `--import ${new URL('../packages/telemetry/src/register.ts', import.meta.url).href}`,
    OTEL_EXPORTER_OTLP_ENDPOINT: await startReceiver(),
    OTEL_TRACES_SAMPLER_ARG: values.traces ?? '',
  }
  const switched = (side: Side): Record<string, string> => {
    if (values.traces !== undefined) return side === 'on' || values.same ? tracing : {}
    return { METRICS: values.same ? 'on' : side }
  }
  const start = (side: Side) =>
    startServer({
      service: 'reference-api',
      environment: { ...environment, ...switched(side) },
      cores: placement.server,
      folder,
      signal,
    })
  const all = new Map(scenarios.map((scenario): [Scenario, Sides[]] => [scenario, []]))
  for (let pair = 0; pair < Number(values.pairs); pair++) {
    const [first, second] = sidesOf(pair)
    const started = { [first]: await start(first), [second]: await start(second) }
    const servers = started as Record<Side, Server>
    bench.load.guard([servers.on.pid, servers.off.pid])
    for (const [scenario, sides] of all) {
      const measured = await measurePair(bench, scenario, servers)
      sides.push(measured)
      const [on, off] = [measured.on, measured.off].map(({ cpuMs, answered }) => (cpuMs * 1000) / answered)
      process.stdout.write(`${scenario.name} ${on?.toFixed(1)} µs with, ${off?.toFixed(1)} µs without\n`)
    }
    await Promise.all([servers.on.stop(), servers.off.stop()])
  }
  for (const [{ name }, sides] of all) {
    const cpu = ratioOf(sides, ({ cpuMs, answered }) => cpuMs / answered)
    const rate = ratioOf(sides, ({ answered, seconds }) => answered / seconds)
    process.stdout.write(
      `${name}: CPU a request × ${cpu}, throughput × ${rate}; ${sides.length} pairs of boots\n`,
    )
  }
}

if (values.help) process.stdout.write(help)
else {
  const world = { users: 10_000, products: 1_000, orders: 50_000 }
  const progress = createProgress()
  await withBench(
    { world, durations: shortDurations, progress, signal: new AbortController().signal },
    measure,
  )
}
