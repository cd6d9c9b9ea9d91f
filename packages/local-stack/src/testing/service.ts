import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { until as waitUntil } from '@reference/async'
import { REPOSITORY_ROOT } from '@reference/cli'
import { SERVICES, WORKER } from '@reference/shop/services'
import type { TestScope } from './databases-and-redis.ts'

export interface TestService {
  readonly child: ChildProcess
  /** Everything that it has printed so far. */
  readonly output: { readonly text: string }
  /** Resolves with its address, such as `http://127.0.0.1:41234`; rejects when it ended instead. */
  listening(timeoutMs?: number): Promise<string>
  /** Sends a signal and gives the exit code, null when the signal ended it. */
  end(signal: NodeJS.Signals): Promise<number | null>
}

const PROCESSES = { ...SERVICES, [WORKER.name]: WORKER }

/** Its file below the folder to which `pnpm build` writes. */
const BUNDLES = {
  'reference-api': 'reference-api/main.js',
  'parallel-api': 'parallel-api/main.js',
  'reference-worker': 'reference-api/worker.js',
} as const satisfies Record<keyof typeof PROCESSES, string>

export interface ServiceOptions {
  /** A folder to which `pnpm build` has written; the service runs from its sources unless given. */
  readonly bundles?: string
  /** Options of Node before the file, such as `--expose-gc`. */
  readonly nodeOptions?: readonly string[]
  /** Opens a channel for messages between the test and the process. */
  readonly ipc?: boolean
}

/** Starts a service as in production, with `environment` and the PATH of this process; killed when the test ends. */
export function startService(
  t: TestScope,
  service: keyof typeof PROCESSES,
  environment: Record<string, string>,
  { bundles, nodeOptions = [], ipc = false }: ServiceOptions = {},
): TestService {
  const main =
    bundles === undefined ? join(REPOSITORY_ROOT, PROCESSES[service].main) : join(bundles, BUNDLES[service])
  const child = spawn(process.execPath, [...nodeOptions, main], {
    env: { PATH: process.env.PATH, PORT: '0', WORKER_THREADS: '1', ...environment },
    stdio: ['ignore', 'pipe', 'pipe', ...(ipc ? ['ipc' as const] : [])],
  })
  const output = { text: '' }
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (part: Buffer) => {
      output.text += part.toString()
    })
  }
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill(signal)
      await once(child, 'exit')
    }
    return child.exitCode
  }
  t.teardown(() => end('SIGKILL'))
  const listening = (timeoutMs?: number) =>
    until(
      `${service} listens`,
      () => {
        if (child.exitCode !== null)
          throw new Error(`${service} ended with ${child.exitCode}: ${output.text}`)
        return /http:\/\/127\.0\.0\.1:\d+/.exec(output.text)?.[0]
      },
      timeoutMs,
    )
  return { child, output, listening, end }
}

/** `until` of `@reference/async` with its limit as a number. */
export function until<T>(
  what: string,
  condition: () => T | undefined | false | Promise<T | undefined | false>,
  timeoutMs = 20_000,
): Promise<T> {
  return waitUntil(what, condition, { timeoutMs })
}
