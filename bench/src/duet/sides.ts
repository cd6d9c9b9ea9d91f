import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { BenchError } from '../errors.ts'
import type { Load } from '../load/load.ts'
import type { Request } from '../load/request.ts'
import type { RunningProcess } from '../stack/process.ts'
import { exactCpuMsOf } from '../stack/process-stats.ts'
import type { Side, Slice } from './measure-row.ts'

/** A side that can be closed: its connections end. */
export interface OpenSide extends Side {
  close(): void
}

/** A server under HTTP load. */
export function httpSide(
  load: Load,
  { name, origin, pid }: Pick<RunningProcess, 'name' | 'origin' | 'pid'>,
  { connections, requests }: { readonly connections: number; readonly requests: readonly Request[] },
): OpenSide {
  const loop = load.slices({ origin, connections, requests })
  return {
    name,
    async load(durationMs) {
      const before = exactCpuMsOf(pid)
      const { answered, errors, seconds, utilisation } = await loop.run(durationMs)
      return {
        answered,
        errors,
        seconds,
        generatorShare: utilisation,
        cpuMs: since(before, exactCpuMsOf(pid)),
      }
    },
    async paced(ratePerSecond, durationMs) {
      const before = exactCpuMsOf(pid)
      const { sent, errors, utilisation } = await load.open({ origin, requests, ratePerSecond, durationMs })
      return {
        answered: sent,
        errors,
        seconds: durationMs / 1000,
        generatorShare: utilisation,
        cpuMs: since(before, exactCpuMsOf(pid)),
      }
    },
    // Each connection has a share of the requests and a pace of its own: twice all of them is enough for each share.
    warmUpRequests: 2 * requests.length,
    close: () => loop.close(),
  }
}

/**
 * A tool that loads a database itself. It takes the cores of the servers that it is compared with.
 *
 * @param run starts the tool for about `durationMs`
 */
export function toolSide(
  name: string,
  run: (durationMs: number) => Promise<Pick<Slice, 'answered' | 'seconds'>>,
): OpenSide {
  return {
    name,
    async load(durationMs) {
      return { ...(await run(durationMs)), errors: 0, cpuMs: undefined, generatorShare: 0 }
    },
    warmUpRequests: 0,
    paced: undefined,
    close: () => {},
  }
}

/** Standard output of a command. @throws BenchError when it fails */
export async function outputOf(command: readonly string[], signal: AbortSignal): Promise<string> {
  const [program = '', ...args] = command
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], signal })
  const [output, errors, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ])
  if (code === 0) return output
  throw new BenchError('TOOL_FAILED', `${program} exited with code ${code}: ${errors.trim()}`)
}

function since(before: number | undefined, after: number | undefined): number | undefined {
  return before === undefined || after === undefined ? undefined : after - before
}
