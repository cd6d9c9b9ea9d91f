import type { Lifecycle } from './lifecycle.ts'

/** A system that the service uses, with one real command of its protocol. */
export interface Dependency {
  name: string
  /** Without it the service is not ready; otherwise only degraded. */
  required: boolean
  /** From here `/services` calls it slow. */
  thresholdMs: number
  /** Resolves when the system answered; rejects or outlives the signal when not. */
  check(signal: AbortSignal): Promise<void>
}

export type CheckStatus = 'ok' | 'degraded' | 'down'

export interface Readiness {
  status: CheckStatus
  checks: { name: string; status: CheckStatus; latencyMs: number; error?: string; reason?: string }[]
}

export interface ServiceRow {
  name: string
  responseMs: number
  thresholdMs: number
  status: 'ok' | 'slow' | 'down'
}

export interface Health {
  ready(): Promise<Readiness>
  services(): Promise<ServiceRow[]>
}

interface Failure {
  /** The code of the error. */
  error: string
  /** In plain words, where the check knows more than a code. */
  reason?: string
}

interface Outcome {
  dependency: Dependency
  ms: number
  failure: Failure | undefined
}

/**
 * Asks the dependencies side by side, each under a time limit. Calls that come while a round runs share it: a hundred
 * probes are one `SELECT 1`.
 *
 * @param systems further systems that only `/services` shows
 */
export function createHealth(options: {
  dependencies: readonly Dependency[]
  systems: readonly Dependency[]
  checkTimeoutMs: number
  lifecycle: Lifecycle
}): Health {
  const { dependencies, systems, checkTimeoutMs, lifecycle } = options
  const forReady = shared(() => askAll(dependencies, checkTimeoutMs))
  const forServices = shared(() => askAll([...dependencies, ...systems], checkTimeoutMs))
  return {
    async ready() {
      if (lifecycle.draining) {
        return { status: 'down', checks: [{ name: 'shutdown', status: 'down', latencyMs: 0 }] }
      }
      const checks = (await forReady()).map(({ dependency, ms, failure }) => {
        const status: CheckStatus = failure === undefined ? 'ok' : dependency.required ? 'down' : 'degraded'
        return { name: dependency.name, status, latencyMs: ms, ...failure }
      })
      return { status: worst(checks.map(({ status }) => status)), checks }
    },
    async services() {
      return (await forServices()).map(({ dependency: { name, thresholdMs }, ms, failure }) => {
        const status = failure !== undefined ? 'down' : ms > thresholdMs ? 'slow' : 'ok'
        return { name, responseMs: ms, thresholdMs, status }
      })
    },
  }
}

function worst(statuses: CheckStatus[]): CheckStatus {
  if (statuses.includes('down')) return 'down'
  return statuses.includes('degraded') ? 'degraded' : 'ok'
}

function shared<T>(ask: () => Promise<T>): () => Promise<T> {
  let round: Promise<T> | undefined
  return () => {
    round ??= ask().finally(() => {
      round = undefined
    })
    return round
  }
}

function askAll(dependencies: readonly Dependency[], timeoutMs: number): Promise<Outcome[]> {
  return Promise.all(dependencies.map((dependency) => ask(dependency, timeoutMs)))
}

async function ask(dependency: Dependency, timeoutMs: number): Promise<Outcome> {
  const begin = performance.now()
  const outcome = (failure?: Failure) => ({
    dependency,
    ms: Math.round((performance.now() - begin) * 100) / 100,
    failure,
  })
  const limit = new AbortController()
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => {
    const error = Object.assign(new Error(`no answer within ${timeoutMs} ms`), { code: 'TIMEOUT' })
    limit.abort(error)
    late.reject(error)
  }, timeoutMs)
  try {
    // The race is for checks that ignore their signal.
    await Promise.race([(async () => dependency.check(limit.signal))(), late.promise])
    return outcome()
  } catch (error) {
    return outcome(failureOf(limit.signal.aborted ? limit.signal.reason : error))
  } finally {
    clearTimeout(timer)
  }
}

const MOST_CAUSES = 4

/** The codes, and a reason that was written for this reply: a driver's message may hold host names and users. */
function failureOf(error: unknown): Failure {
  const { publicReason: reason } = (error ?? {}) as { publicReason?: unknown }
  return { error: codesOf(error), ...(typeof reason === 'string' && { reason }) }
}

/** Our code and that of the driver or the server below it, such as `DB_UNAVAILABLE: CERT_HAS_EXPIRED`. */
function codesOf(error: unknown): string {
  const codes: string[] = []
  let fault: unknown = error
  for (let depth = 0; depth < MOST_CAUSES && typeof fault === 'object' && fault !== null; depth++) {
    const { code, cause } = fault as { code?: unknown; cause?: unknown }
    if (typeof code === 'string' && !codes.includes(code)) codes.push(code)
    fault = cause
  }
  return codes.length === 0 ? 'ERROR' : codes.join(': ')
}
