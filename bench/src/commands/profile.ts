import { pathToFileURL } from 'node:url'
import { EXIT_CODES, REPOSITORY_ROOT, UsageError } from '@reference/cli'
import { freePort } from '@reference/local-stack'
import { scenarios as allScenarios } from '../../scenarios/index.ts'
import { COMPILE_REQUESTS } from '../duet/sides.ts'
import { allocationTree, type CpuProfile, callTree, type HeapNode, shares } from '../profile/call-tree.ts'
import { Inspector } from '../profile/inspector.ts'
import { renderProfile } from '../profile/page.ts'
import { resultsName, writeFile } from '../report/results-file.ts'
import { type Bench, withBench } from '../run/bench.ts'
import { durationsFor } from '../run/plan.ts'
import { createProgress } from '../run/progress.ts'
import { startVariant } from '../run/running-variant.ts'
import type { Scenario, Variant } from '../run/scenario.ts'
import type { Dataset } from '../stack/dataset.ts'
import { selectScenarios } from './select-scenarios.ts'

export interface ProfileArguments {
  readonly scenario: string
  /** Name of a variant; default: as shipped. */
  readonly variant: string | undefined
  /** Of the profile, after a warm-up. */
  readonly durationMs: number
  readonly dataset: Dataset
  readonly out: string | undefined
}

interface Profiled {
  readonly cpu: CpuProfile
  readonly allocations: HeapNode
  readonly requestsPerSecond: number
  /** Share of the time for which the event loop was not idle, 0–1. */
  readonly utilisation: number
  /** How late the event loop's timers were, p99, in ms. */
  readonly delayP99Ms: number
  readonly heapBytes: number
}

/** Between two samples, in µs: a profile of ten seconds has 50,000. */
const SAMPLE_US = 200
/** Mean distance of two sampled allocations. */
const SAMPLED_BYTES = 32_768
const WARM_UP_LIMIT_MS = 15_000

/**
 * `bench profile`: where a scenario's service spends its CPU time and what it allocates, under load. It runs from its sources, so that
 * each function has its file.
 *
 * @returns the exit code
 * @throws UsageError for a variant that the scenario does not have
 */
export async function profile(args: ProfileArguments, signal: AbortSignal): Promise<number> {
  const [scenario] = selectScenarios(allScenarios, { names: [args.scenario], off: [], full: true })
  if (scenario === undefined) throw new UsageError(`no scenario ${args.scenario}`)
  const variant = variantOf(scenario, args.variant)
  const progress = createProgress()
  const options = {
    dataset: args.dataset,
    build: 'sources' as const,
    durations: durationsFor({ full: false }),
    progress,
    signal,
  }
  const startedAt = new Date().toISOString()
  const { profiled, facts } = await withBench(options, async (bench, { cpuModel, node, placement }) => {
    progress.step(`${scenario.name}: ${variant.name}`)
    const profiled = await profileVariant(bench, scenario, variant, args.durationMs)
    return { profiled, facts: [`${cpuModel} · Node ${node} · ${placement}`] }
  })
  progress.done()
  const base = args.out?.replace(/\.html$/, '') ?? `${resultsName(startedAt)}-profile`
  const root = `${pathToFileURL(REPOSITORY_ROOT).href}/`
  const { tree, idle } = callTree(profiled.cpu, root)
  const allocations = allocationTree(profiled.allocations, root)
  const figures = figuresOf(profiled, { busyUs: tree.total, idleUs: idle })
  const title = `${scenario.title}: ${variant.name}`
  writeFile(`${base}.cpuprofile`, JSON.stringify(profiled.cpu))
  writeFile(`${base}.html`, renderProfile({ title, facts: [...figures, ...facts], cpu: tree, allocations }))
  const share = shares(tree)
  process.stdout.write(
    `${title}\n${figures.map((line) => `  ${line}\n`).join('')}  CPU time: this repository ${percent(share.own)}, packages ${percent(share.package)}, Node ${percent(share.node)}, engine ${percent(share.engine)}\n${base}.html\n${base}.cpuprofile (for DevTools)\n`,
  )
  return EXIT_CODES.OK
}

function variantOf({ name, tuned, variants }: Scenario, wanted = tuned.name): Variant {
  const found = [tuned, ...variants].find((variant) => variant.name === wanted)
  if (found !== undefined) return found
  const names = [tuned, ...variants].map((variant) => variant.name)
  throw new UsageError(`${name} has no variant ${wanted}; there are ${names.join(', ')}`)
}

async function profileVariant(
  bench: Bench,
  scenario: Scenario,
  variant: Variant,
  durationMs: number,
): Promise<Profiled> {
  await using processes = new AsyncDisposableStack()
  const port = await freePort()
  const options = [variant.environment.NODE_OPTIONS, `--inspect=127.0.0.1:${port}`]
  const inspected = { ...variant.environment, NODE_OPTIONS: options.filter(Boolean).join(' ') }
  const running = await startVariant(bench, scenario, { ...variant, environment: inspected }, processes)
  await variant.before?.(running.stack, running.origin)
  const { origin, requests } = running
  const load = bench.load.slices({ origin, connections: scenario.connections, requests })
  processes.defer(() => load.close())
  const inspector = await Inspector.connect(port)
  processes.defer(() => inspector.close())
  const began = performance.now()
  for (let answered = 0; answered < COMPILE_REQUESTS && performance.now() - began < WARM_UP_LIMIT_MS; ) {
    answered += (await load.run(500)).answered
    bench.signal.throwIfAborted()
  }
  await inspector.evaluate(BEGIN_DELAYS)
  await inspector.send('Profiler.enable')
  await inspector.send('Profiler.setSamplingInterval', { interval: SAMPLE_US })
  await inspector.send('Profiler.start')
  const slice = await load.run(durationMs)
  const { profile: cpu } = await inspector.send<{ profile: CpuProfile }>('Profiler.stop')
  const loop =
    await inspector.evaluate<Pick<Profiled, 'utilisation' | 'delayP99Ms' | 'heapBytes'>>(END_DELAYS)
  const allocations = await sampleAllocations(inspector, () => load.run(durationMs / 2))
  return { cpu, allocations, requestsPerSecond: slice.answered / slice.seconds, ...loop }
}

/** Apart from the CPU profile, in which the sampling of allocations would appear. */
async function sampleAllocations(inspector: Inspector, load: () => Promise<unknown>): Promise<HeapNode> {
  await inspector.send('HeapProfiler.startSampling', {
    samplingInterval: SAMPLED_BYTES,
    includeObjectsCollectedByMajorGC: true,
    includeObjectsCollectedByMinorGC: true,
  })
  await load()
  const { profile } = await inspector.send<{ profile: { head: HeapNode } }>('HeapProfiler.stopSampling')
  return profile.head
}

const BEGIN_DELAYS = `{
  const { monitorEventLoopDelay, performance } = process.getBuiltinModule('node:perf_hooks')
  globalThis.profiled = { delays: monitorEventLoopDelay({ resolution: 10 }), utilisation: performance.eventLoopUtilization() }
  profiled.delays.enable()
}`
const END_DELAYS = `(() => {
  const { performance } = process.getBuiltinModule('node:perf_hooks')
  const { utilization } = performance.eventLoopUtilization(profiled.utilisation)
  return { utilisation: utilization, delayP99Ms: profiled.delays.percentile(99) / 1e6 - 10, heapBytes: process.memoryUsage().heapUsed }
})()`

function figuresOf(
  { requestsPerSecond, utilisation, delayP99Ms, heapBytes }: Profiled,
  { busyUs, idleUs }: { readonly busyUs: number; readonly idleUs: number },
): string[] {
  return [
    `${Math.round(requestsPerSecond).toLocaleString('en')} requests/s while the profile was recorded, which slows the service down`,
    `Main thread busy for ${percent(busyUs / (busyUs + idleUs))}, event loop for ${percent(utilisation)} of the time; its delay ${Math.max(0, delayP99Ms).toFixed(1)} ms (p99); heap ${(heapBytes / 1e6).toFixed(0)} MB`,
  ]
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`
}
