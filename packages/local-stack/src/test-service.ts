import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { TestScope } from './test-helpers.ts'

export type TestService = {
  readonly child: ChildProcess
  /** All that it has printed so far. */
  readonly output: { readonly text: string }
  /** Resolves with its address, such as `http://127.0.0.1:41234`; throws when it ended instead. */
  listening(): Promise<string>
  /** Sends a signal and gives the exit code, null when the signal ended it. */
  end(signal: NodeJS.Signals): Promise<number | null>
}

const entries = {
  'reference-api': 'reference-api/src/main.ts',
  'reference-worker': 'reference-api/src/worker.ts',
  'parallel-api': 'parallel-api/src/main.ts',
} as const

/** A service as it is really run, with `environment` and no more of this process's than the PATH; killed when the test ends. */
export const startService = (
  t: TestScope,
  service: keyof typeof entries,
  environment: Record<string, string>,
): TestService => {
  const main = fileURLToPath(new URL(`../../../services/${entries[service]}`, import.meta.url))
  const child = spawn(process.execPath, [main], {
    env: { PATH: process.env.PATH, PORT: '0', WORKER_THREADS: '1', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output = { text: '' }
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (part: Buffer) => {
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
  const listening = () =>
    until(`${service} listens`, () => {
      if (child.exitCode !== null) throw new Error(`${service} ended with ${child.exitCode}: ${output.text}`)
      return /http:\/\/127\.0\.0\.1:\d+/.exec(output.text)?.[0]
    })
  return { child, output, listening, end }
}

/**
 * Waits until a condition holds.
 *
 * @returns what it gave
 * @throws when that is still nothing, or false, after `limitMs`
 */
export const until = async <T>(
  what: string,
  condition: () => T | undefined | false | Promise<T | undefined | false>,
  limitMs = 20_000,
): Promise<T> => {
  const end = performance.now() + limitMs
  for (;;) {
    const found = await condition()
    if (found !== undefined && found !== false) return found
    if (performance.now() > end) throw new Error(`not within ${limitMs} ms: ${what}`)
    await sleep(10)
  }
}
