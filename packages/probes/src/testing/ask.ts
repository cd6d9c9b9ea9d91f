import { codeOf, probeError } from '../errors.ts'
import type { Probe } from '../probe.ts'

/** The outcome of one check, as `/ready` shows it: `ok`, the code of the error, or `TIMEOUT`. */
export async function ask(probe: Probe | undefined, timeoutMs = 10_000): Promise<string> {
  if (probe === undefined) return 'no such row'
  const limit = new AbortController()
  const timer = setTimeout(() => limit.abort(probeError('TIMEOUT', 'too late')), timeoutMs)
  try {
    await probe.check(limit.signal)
    return 'ok'
  } catch (error) {
    return codeOf(error) ?? `no code: ${error}`
  } finally {
    clearTimeout(timer)
  }
}
