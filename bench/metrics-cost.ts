import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { action, flag, integer, runCommand, text } from '@reference/cli'
import { orderPage } from './scenarios/order-page.ts'
import { userById } from './scenarios/user-by-id.ts'
import { type Bench, withBench } from './src/run/bench.ts'
import { durationsFor } from './src/run/plan.ts'
import { createProgress } from './src/run/progress.ts'
import type { Scenario } from './src/run/scenario.ts'
import { exactCpuMsOf } from './src/stack/process-stats.ts'
import { type Server, startServer } from './src/stack/server.ts'
import { pairedEffect } from './src/stats/effect.ts'

const SLICE_MS = 250
const WARM_UP_MS = 2_500
const DATASET = { users: 10_000, products: 1_000, orders: 50_000 }

interface Arguments {
  readonly scenarios: readonly Scenario[]
  readonly pairs: number
  readonly slices: number
  readonly same: boolean
  readonly traces: string | undefined
}

interface Usage {
  cpuMs: number
  seconds: number
  answered: number
}

type Side = 'on' | 'off'
type Sides<T> = Record<Side, T>

async function load(bench: Bench, scenario: Scenario, server: Server, durationMs: number): Promise<Usage> {
  const { connections, requests } = scenario
  const before = exactCpuMsOf(server.pid) ?? 0
  const began = performance.now()
  const { answered, errors } = await bench.load.closed({
    origin: server.origin,
    connections,
    requests: requests(bench.stack.dataset),
    durationMs,
  })
  if (errors > 0) throw new Error(`${errors} requests failed`)
  return {
    cpuMs: (exactCpuMsOf(server.pid) ?? 0) - before,
    seconds: (performance.now() - began) / 1000,
    answered,
  }
}

/** Alternates, so that neither side is always the first. */
function orderOf(turn: number): [Side, Side] {
  return turn % 2 === 0 ? ['on', 'off'] : ['off', 'on']
}

async function measurePair(
  bench: Bench,
  scenario: Scenario,
  servers: Sides<Server>,
  slices: number,
): Promise<Sides<Usage>> {
  const unused = () => ({ cpuMs: 0, seconds: 0, answered: 0 })
  const sides: Sides<Usage> = { on: unused(), off: unused() }
  for (const side of orderOf(0)) await load(bench, scenario, servers[side], WARM_UP_MS)
  for (let slice = 0; slice < slices; slice++) {
    for (const side of orderOf(slice)) {
      const usage = await load(bench, scenario, servers[side], SLICE_MS)
      for (const name of ['cpuMs', 'seconds', 'answered'] as const) sides[side][name] += usage[name]
    }
  }
  return sides
}

/** Receives OTLP over HTTP and discards it; ends with the process. */
async function startReceiver(): Promise<string> {
  const server = createServer((request, response) => {
    request.resume().once('end', () => response.setHeader('content-type', 'application/json').end('{}'))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.unref()
  return `http://127.0.0.1:${port}`
}

/** The settings of each side. */
async function switched({ same, traces }: Arguments): Promise<Sides<Record<string, string>>> {
  if (traces === undefined) return { on: { METRICS: 'on' }, off: { METRICS: same ? 'on' : 'off' } }
  const tracing = {
    NODE_OPTIONS: `--import ${new URL('../packages/telemetry/src/register.ts', import.meta.url).href}`,
    OTEL_EXPORTER_OTLP_ENDPOINT: await startReceiver(),
    OTEL_TRACES_SAMPLER_ARG: traces,
  }
  return { on: tracing, off: same ? tracing : {} }
}

async function measure(bench: Bench, args: Arguments): Promise<void> {
  const { stack, folder, placement, signal } = bench
  const settings = await switched(args)
  const start = (side: Side) =>
    startServer({
      service: 'reference-api',
      environment: {
        ...stack.environment,
        ...settings[side],
      },
      cores: placement.server,
      folder,
      signal,
    })
  const all = new Map(args.scenarios.map((scenario): [Scenario, Sides<Usage>[]] => [scenario, []]))
  for (let pair = 0; pair < args.pairs; pair++) {
    const [first, second] = orderOf(pair)
    const servers = { [first]: await start(first), [second]: await start(second) } as Sides<Server>
    bench.load.reapOnExit({ pids: [servers.on.pid, servers.off.pid] })
    for (const [scenario, sides] of all) {
      const measured = await measurePair(bench, scenario, servers, args.slices)
      sides.push(measured)
      const [on, off] = orderOf(0).map((side) => (measured[side].cpuMs * 1000) / measured[side].answered)
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

function ratioOf(sides: readonly Sides<Usage>[], figure: (usage: Usage) => number): string {
  const { ratio, low, high } = pairedEffect(sides.map(({ on, off }) => figure(on) / figure(off)))
  return `${ratio.toFixed(3)} (${low.toFixed(3)} to ${high.toFixed(3)})`
}

await runCommand(
  'node bench/metrics-cost.ts',
  action({
    summary: 'Measure the CPU time a request of METRICS, or of tracing. Linux.',
    positionals: { placeholder: '[user-by-id] [order-page]', help: 'scenarios; both without any' },
    options: {
      traces: text({
        placeholder: 'SHARE',
        help: 'both sides have metrics, and one also keeps this share of traces, such as 0.05',
      }),
      pairs: integer({ help: 'pairs of boots', minimum: 1, fallback: 8 }),
      slices: integer({ help: 'quarters of a second a pair', minimum: 1, fallback: 24 }),
      same: flag({ help: 'both sides are identical: the result is noise' }),
    },
    details: `Starts the service twice, with and without, and loads the two alternately for a quarter of a second (A B B A …), so that drift of
the machine affects both; a pair of boots is one figure. The scenario "metrics" of pnpm bench boots one after the other, 4 s
apart: where the speed of a core changes by a half within minutes, it detects no effect below 15 %.`,
    async run(values, names) {
      const scenarios = [userById, orderPage].filter(({ name }) => names.length === 0 || names.includes(name))
      const options = {
        dataset: DATASET,
        durations: durationsFor({ full: false }),
        progress: createProgress(),
        signal: new AbortController().signal,
      }
      await withBench(options, (bench) => measure(bench, { ...values, scenarios }))
      return undefined
    },
  }),
)
