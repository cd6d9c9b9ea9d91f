import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { BenchError } from '../errors.ts'
import type { JobResult } from '../load/generator.ts'
import type { Load } from '../load/load.ts'
import type { Request } from '../load/request.ts'
import type { RunningProcess } from '../stack/process.ts'
import { exactCpuMsOf } from '../stack/process-stats.ts'
import type { Side, Slice } from './slice.ts'

/** A side that can be closed: its connections end. */
export interface OpenSide extends Side {
  close(): void
}

/**
 * Requests until V8 has optimised what a request runs through. In slices of 200 ms from the start of the process, the CPU time of
 * `/health` fell from 46 to 17 µs a request over the first 46,000 requests, that of a cached user from 127 to 23 µs over the first
 * 35,000 (one boot each).
 */
export const COMPILE_REQUESTS = 30_000

interface HttpSideOptions {
  readonly connections: number
  readonly requests: readonly Request[]
  /** For the fixed rate, in place of `requests`. */
  readonly pacedRequests?: readonly Request[]
  /** The shortest slice at the fixed rate: low rates need a longer time for a p99. */
  readonly leastPacedMs?: number | undefined
  /** The duration of each slice. Default: by the rate of the side. */
  readonly sliceMs?: number | undefined
  /** False for a program that is not compiled while it runs. Default true. */
  readonly jit?: boolean | undefined
}

/** A server under HTTP load. */
export function httpSide(
  load: Load,
  { origin, pid }: Pick<RunningProcess, 'origin' | 'pid'>,
  { connections, requests, pacedRequests = requests, leastPacedMs, sliceMs, jit = true }: HttpSideOptions,
): OpenSide {
  const loop = load.slices({ origin, connections, requests })
  return {
    connections,
    ...(sliceMs !== undefined && { sliceMs }),
    async load(durationMs) {
      const before = exactCpuMsOf(pid)
      const result = await loop.run(durationMs)
      return closedSlice(result, since(before, exactCpuMsOf(pid)))
    },
    leastPacedMs,
    async paced(ratePerSecond, durationMs) {
      const before = exactCpuMsOf(pid)
      const sent = await load.open({ origin, requests: pacedRequests, ratePerSecond, durationMs })
      return pacedSlice(sent, durationMs, since(before, exactCpuMsOf(pid)))
    },
    // Each connection has a share of the requests and a pace of its own: twice all of them is enough for each share.
    warmUpRequests: Math.max(2 * requests.length, jit ? COMPILE_REQUESTS : 0),
    close: () => loop.close(),
  }
}

/** A slice of the closed loop. */
export function closedSlice(
  { answered, errors, seconds, bytes, utilisation }: JobResult<'slice'>,
  cpuMs: number | undefined,
): Slice {
  return { answered, errors, seconds, bytes, cpuMs, generatorShare: utilisation }
}

/** A slice of requests at a fixed rate. */
export function pacedSlice(
  { sent, errors, utilisation, histogram, lagP99Ms, cache }: JobResult<'open'>,
  durationMs: number,
  cpuMs: number | undefined,
): Slice {
  return {
    answered: sent,
    errors,
    seconds: durationMs / 1000,
    bytes: 0,
    cpuMs,
    generatorShare: utilisation,
    latency: { sent, errors, histogram, lagP99Ms, cache },
  }
}

/**
 * A tool that loads a database itself. It takes the cores of the servers that it is compared with.
 *
 * @param sliceMs duration of each slice: a tool starts afresh with each, which has to be long against its start
 * @param run starts the tool for about `durationMs`
 */
export function toolSide(
  sliceMs: number,
  run: (durationMs: number) => Promise<Pick<Slice, 'answered' | 'seconds'>>,
): OpenSide {
  return {
    async load(durationMs) {
      return { ...(await run(durationMs)), errors: 0, bytes: 0, cpuMs: undefined, generatorShare: 0 }
    },
    connections: 1,
    sliceMs,
    warmUpRequests: 0,
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

/**
 * The CPU time between two readings; undefined when either is unknown, or when the later one is less: the time of a thread that
 * ended in between is missing from it.
 */
export function since(before: number | undefined, after: number | undefined): number | undefined {
  return before === undefined || after === undefined || after < before ? undefined : after - before
}
