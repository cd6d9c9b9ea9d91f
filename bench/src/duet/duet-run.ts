import { abortable } from '@reference/async'
import { UnprovenError } from '../errors.ts'
import type { Load } from '../load/load.ts'
import { type Interference, watchInterference } from '../stack/interference.ts'
import type { Placement } from '../stack/placement.ts'
import { type ProcessPlan, type RunningProcess, startProcess } from '../stack/process.ts'
import { residentBytesOf } from '../stack/process-stats.ts'
import { type DuetBoot, type DuetDurations, measureDuet } from './measure.ts'
import { orderOf } from './order.ts'
import type { GroupPlan, RowPlan, SidePlan, StartPlan } from './plan.ts'
import { checkSameReplies } from './replies.ts'
import { httpSide, type OpenSide } from './sides.ts'

export interface RunDurations extends DuetDurations {
  /** Boots of each group, as many as fit before `deadlineMs`, `minimumBoots` at least. */
  readonly minimumBoots: number
  readonly maximumBoots: number
  readonly deadlineMs: number
  /** Starts of each process whose start is compared. */
  readonly starts: number
}

interface DuetContext {
  readonly load: Load
  readonly placement: Placement
  readonly folder: string
  readonly signal: AbortSignal
  readonly durations: RunDurations
  readonly step: (text: string) => void
}

/** A row with what its boots showed. */
export interface MeasuredRow {
  readonly plan: RowPlan
  /** The sides that could be measured, in the order of `DuetBoot.sides`. */
  readonly measured: readonly SidePlan[]
  readonly boots: DuetBoot[]
  readonly interference: Interference[]
}

/** One start of each process, in the order of the plan. */
export type StartTurn = readonly {
  readonly startMs: number
  readonly idleBytes: number
  readonly loadedBytes: number
}[]

const START_LOAD_MS = 1000
const MAX_FIXED_PER_SECOND = 1000

/** Measures groups of processes boot after boot: in each, all processes of a group start afresh and live at once. */
export class DuetRun {
  readonly #context: DuetContext

  constructor(context: DuetContext) {
    this.#context = context
  }

  /** @throws UnprovenError when sides answer differently, or our reply is from another tier than the row names */
  async measure(groups: readonly GroupPlan[]): Promise<MeasuredRow[]> {
    const { minimumBoots, maximumBoots, deadlineMs } = this.#context.durations
    const rows = new Map(groups.flatMap(({ rows }) => rows.map((plan) => [plan, emptyRow(plan)])))
    let longestMs = 0
    for (let boot = 0; boot < maximumBoots; boot++) {
      const began = performance.now()
      if (boot >= minimumBoots && began + longestMs > deadlineMs) break
      for (const group of groups) await this.#measureGroup(group, rows, boot)
      longestMs = Math.max(longestMs, performance.now() - began)
    }
    return [...rows.values()]
  }

  async #measureGroup(
    group: GroupPlan,
    rows: ReadonlyMap<RowPlan, MeasuredRow>,
    boot: number,
  ): Promise<void> {
    if (group.rows.every((plan) => rows.get(plan)?.measured.length === 0)) return
    await using stack = new AsyncDisposableStack()
    // First, so that it runs last: until all processes have stopped, the generator ends them if this process is killed.
    stack.defer(() => this.#context.load.reapOnExit({}))
    const processes = new Map<string, RunningProcess>()
    for (const index of orderOf(group.processes.length, boot)) {
      const plan = group.processes[index]
      if (plan === undefined) continue
      processes.set(plan.name, await this.#start(plan, stack))
      this.#context.load.reapOnExit({ pids: [...processes.values()].map(({ pid }) => pid) })
    }
    for (const plan of group.rows) {
      const row = rows.get(plan)
      if (row !== undefined) await this.#measureRow(row, processes, boot)
    }
  }

  async #measureRow(
    row: MeasuredRow,
    processes: ReadonlyMap<string, RunningProcess>,
    boot: number,
  ): Promise<void> {
    const { durations, signal, step } = this.#context
    const { plan, measured, boots, interference } = row
    if (measured.length < 2) return
    step(`boot ${boot + 1}: ${plan.title}`)
    const servers = measured.flatMap((side) => {
      const process = side.kind === 'process' ? processes.get(side.process) : undefined
      return process === undefined ? [] : [process]
    })
    if (boot === 0) await checkSameReplies(servers, plan.requests, plan.sameBytes)
    await using stack = new AsyncDisposableStack()
    const sides: OpenSide[] = []
    for (const side of measured) {
      const opened = await this.#open(side, plan, processes)
      stack.defer(() => opened.close())
      sides.push(opened)
    }
    const watched = watchInterference()
    const known = boots[0]?.pacedPerSecond
    const duet = measureDuet(sides, durations, { boot, fixedRate: (slowest) => known ?? fixedRate(slowest) })
    boots.push(await abortable(duet, signal))
    interference.push(watched())
    const [ours] = servers
    if (plan.tier !== undefined && ours !== undefined) await checkTier(ours, plan)
  }

  async #open(
    side: SidePlan,
    { connections, requests, sliceMs }: RowPlan,
    processes: ReadonlyMap<string, RunningProcess>,
  ): Promise<OpenSide> {
    if (side.kind === 'tool') return side.open(processes)
    const process = side.kind === 'process' ? processes.get(side.process) : undefined
    if (process === undefined) throw new Error(`${side.name} has no process`)
    return httpSide(this.#context.load, process, {
      connections,
      requests,
      sliceMs,
      jit: side.kind === 'process' ? side.jit : undefined,
    })
  }

  /** Starts each process alone, turn after turn; the first start of each fills the caches of files and is not kept. */
  async measureStarts({ processes, requests }: StartPlan): Promise<StartTurn[]> {
    const { durations, step } = this.#context
    const turns: StartTurn[] = []
    for (let turn = 0; turn <= durations.starts; turn++) {
      step(`start ${turn} of ${durations.starts}`)
      const results = new Map<number, StartTurn[number]>()
      for (const index of orderOf(processes.length, turn)) {
        const plan = processes[index]
        if (plan !== undefined) results.set(index, await this.#measureStart(plan, requests))
      }
      const inOrder = processes.flatMap((_, index) => results.get(index) ?? [])
      if (turn > 0) turns.push(inOrder)
    }
    return turns
  }

  async #measureStart(plan: ProcessPlan, requests: StartPlan['requests']): Promise<StartTurn[number]> {
    await using stack = new AsyncDisposableStack()
    const running = await this.#start(plan, stack)
    const { startMs, idleBytes, origin, pid } = running
    const { load, signal } = this.#context
    const loop = stack.adopt(load.slices({ origin, connections: 50, requests }), (each) => each.close())
    await abortable(loop.run(START_LOAD_MS), signal)
    return { startMs, idleBytes, loadedBytes: residentBytesOf(pid) ?? 0 }
  }

  async #start(plan: ProcessPlan, stack: AsyncDisposableStack): Promise<RunningProcess> {
    const { placement, folder, signal } = this.#context
    const running = await startProcess(plan, { cores: placement.server, folder, signal })
    stack.defer(() => running.stop())
    return running
  }
}

/** Half of the slowest side's rate at most, so that no side saturates. */
function fixedRate(slowestPerSecond: number): number {
  return Math.max(1, Math.min(MAX_FIXED_PER_SECOND, Math.floor(slowestPerSecond / 2)))
}

/** A row needs ours and something beside it. */
function emptyRow(plan: RowPlan): MeasuredRow {
  const present = plan.sides.filter(({ kind }) => kind !== 'absent')
  return { plan, measured: present.length < 2 ? [] : present, boots: [], interference: [] }
}

/** A request that was just under load must be answered from the tier that the row names. */
async function checkTier(ours: RunningProcess, { name, tier, requests }: RowPlan): Promise<void> {
  const reply = await fetch(`${ours.origin}${requests[0]?.path}`)
  await reply.arrayBuffer()
  const actual = reply.headers.get('x-cache')
  if (actual !== tier) throw new UnprovenError(`${name}: x-cache is ${actual} instead of ${tier}`)
}
