import { Output } from '@reference/cli'
import { holdOpen } from '../guard.ts'

export interface Interruption {
  readonly signal: Promise<NodeJS.Signals>
  release(): void
}

/** Reports Ctrl-C, SIGTERM and SIGHUP, and keeps the process alive until `release`. A second Ctrl-C ends it at once. */
export function onInterrupt(): Interruption {
  const release = holdOpen()
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>()
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, resolve)
  return { signal: promise, release }
}

let standardError: Output | undefined

/** Prints a line for people. Like the services, it never waits for a reader. */
export function say(line: string): void {
  standardError ??= new Output(2)
  standardError.write(`${line}\n`)
}
