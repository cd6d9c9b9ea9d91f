import { createLink, type Open } from './link.ts'

/** A row of `/ready` and `/services`. */
export interface Probe {
  readonly name: string
  /** No request needs the system: its failure is `degraded`, with 200. */
  readonly required: false
  readonly thresholdMs: number
  /** @throws an error whose `code` says why the system did not answer */
  check(signal: AbortSignal): Promise<void>
  close(): Promise<void>
}

/** Makes a row from a way to open a connection. Nothing is opened before the first check. */
export function createProbe(name: string, thresholdMs: number, open: Open): Probe {
  const link = createLink(open)
  return { name, required: false, thresholdMs, check: link.check, close: link.close }
}
