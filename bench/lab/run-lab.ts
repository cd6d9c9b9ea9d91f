import { withBench } from '../src/run/bench.ts'
import { durationsFor } from '../src/run/plan.ts'
import { createProgress, type Progress } from '../src/run/progress.ts'
import type { Dataset } from '../src/stack/dataset.ts'
import type { Build } from '../src/stack/server.ts'
import { Board } from './board.ts'
import { Copy } from './copy.ts'
import { Lab } from './lab.ts'
import { LIMITS } from './protocol.ts'
import { Wanted } from './wanted.ts'
import { type Commands, startWeb } from './web.ts'
import { describeWorkloads } from './workloads.ts'

interface LabArguments {
  readonly port: number
  readonly build: Build
  readonly warmUpMs: number
  readonly dataset: Dataset
}

/** Starts the page at once, then the servers, and runs until the signal aborts. */
export async function runLab(args: LabArguments, signal: AbortSignal): Promise<void> {
  const board = new Board()
  const wanted = new Wanted(({ load, settings, fault }) => board.update({ load, settings, fault }))
  const web = await startWeb({ port: args.port, board, commands: commandsOn(wanted) })
  process.stdout.write(`${web.url}\n`)
  try {
    await withServers(args, { board, wanted }, signal)
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    board.update({ phase: 'ended', message: 'The lab has ended' })
    await web.close()
  }
}

function commandsOn(wanted: Wanted): Commands {
  return {
    load: (load) => wanted.setLoad(load),
    settings: (settings) => wanted.setSettings(settings),
    fault: ({ name }) => wanted.setFault(name),
  }
}

async function withServers(
  { dataset, build, warmUpMs }: LabArguments,
  { board, wanted }: { board: Board; wanted: Wanted },
  signal: AbortSignal,
): Promise<void> {
  const options = {
    dataset,
    durations: durationsFor({ full: false }),
    progress: progressOn(board),
    signal,
    build,
  }
  await withBench(options, async (bench, { cpuModel, cores, node, postgres, redis, placement }) => {
    const { stack, load } = bench
    await using resources = new AsyncDisposableStack()
    board.update({ message: 'Making a second copy of the database' })
    const shipped = await Copy.create('shipped', { bench, first: true }, resources)
    const yours = await Copy.create('yours', { bench, first: false }, resources)
    const redisPids = [shipped.redisPid, yours.redisPid].flatMap((pid) => pid ?? [])
    const impossible = redisPids.length < 2 ? { redis: 'There is no Redis on this machine' } : {}
    wanted.setImpossible(impossible)
    board.describe({
      ...describeWorkloads(),
      ...{ limits: LIMITS, impossible },
      machine: `${cores} cores of ${cpuModel}; Node ${node.slice(1)}, Postgres ${postgres}, Redis ${redis ?? '–'}; ${placement}`,
    })
    const lab = new Lab({
      copies: { shipped: shipped.copy, yours: yours.copy },
      ...{ wanted, board, redisPids, warmUpMs, signal },
      postgresPid: stack.pids[0] ?? 0,
      reap: (pids) => load.reapOnExit({ pids }),
    })
    await lab.run()
    load.reapOnExit({})
  })
}

/** The steps of the start, in the terminal and on the page. */
function progressOn(board: Board): Progress {
  const terminal = createProgress()
  return {
    ...terminal,
    step(text) {
      terminal.step(text)
      board.update({ message: `${text[0]?.toUpperCase()}${text.slice(1)}` })
    },
  }
}
