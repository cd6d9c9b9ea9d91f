import { coalesce, DeadlineError, withDeadline } from '@reference/async'
import type { Lifecycle } from './lifecycle.ts'

/** A system that the service uses, and one real command of its protocol. */
export interface Dependency {
  name: string
  /** Without a required system the service is not ready; without another one it is degraded. */
  required: boolean
  /** Above this response time `/services` reports `slow`. */
  thresholdMs: number
  /** Resolves when the system has answered; rejects when it has not, or when the signal aborts. */
  check(signal: AbortSignal): Promise<void>
}

/** A condition of the service itself. `/ready` has a degraded row for it while it does not hold; `/services` never has. */
export interface Condition {
  name: string
  /** Rejects while the condition does not hold. */
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
 * Checks the dependencies concurrently, each with a time limit. Requests that arrive during a round share it: a hundred
 * probes cost one `SELECT 1`.
 *
 * @param options.systems further systems, shown by `/services` only
 */
export function createHealth(options: {
  dependencies: readonly Dependency[]
  systems: readonly Dependency[]
  conditions?: readonly Condition[]
  checkTimeoutMs: number
  lifecycle: Lifecycle
  /** A row of the service itself, while it is overloaded. */
  overload?: () => Readiness['checks'][number] | undefined
}): Health {
  const { dependencies, systems, conditions = [], checkTimeoutMs, lifecycle, overload } = options
  const own = conditions.map((condition) => ({ ...condition, required: false, thresholdMs: 0 }))
  const checkDependencies = coalesce(() => checkAll(dependencies, checkTimeoutMs))
  const checkConditions = coalesce(() => checkAll(own, checkTimeoutMs))
  const checkServices = coalesce(() => checkAll([...dependencies, ...systems], checkTimeoutMs))
  return {
    async ready() {
      if (lifecycle.draining) {
        return { status: 'down', checks: [{ name: 'shutdown', status: 'down', latencyMs: 0 }] }
      }
      const [outcomes, ownOutcomes] = await Promise.all([checkDependencies(), checkConditions()])
      const unmet = ownOutcomes.filter(({ failure }) => failure !== undefined)
      const checks: Readiness['checks'] = [...outcomes, ...unmet].map(({ dependency, ms, failure }) => {
        const status: CheckStatus = failure === undefined ? 'ok' : dependency.required ? 'down' : 'degraded'
        return { name: dependency.name, status, latencyMs: ms, ...failure }
      })
      const overloaded = overload?.()
      if (overloaded !== undefined) checks.push(overloaded)
      return { status: worst(checks.map(({ status }) => status)), checks }
    },
    async services() {
      return (await checkServices()).map(({ dependency: { name, thresholdMs }, ms, failure }) => {
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

function checkAll(dependencies: readonly Dependency[], timeoutMs: number): Promise<Outcome[]> {
  return Promise.all(dependencies.map((dependency) => check(dependency, timeoutMs)))
}

async function check(dependency: Dependency, timeoutMs: number): Promise<Outcome> {
  const startedAt = performance.now()
  const outcome = (failure?: Failure) => ({
    dependency,
    ms: Math.round((performance.now() - startedAt) * 100) / 100,
    failure,
  })
  try {
    await withDeadline((signal) => dependency.check(signal), { timeoutMs })
    return outcome()
  } catch (error) {
    return outcome(error instanceof DeadlineError ? { error: 'TIMEOUT' } : failureOf(error))
  }
}

const MAX_CAUSES = 4

/** The codes, and a reason that was written for this reply: the message of a driver may contain host names and users. */
function failureOf(error: unknown): Failure {
  const { publicReason: reason } = (error ?? {}) as { publicReason?: unknown }
  return { error: codesOf(error), ...(typeof reason === 'string' && { reason }) }
}

/** The code of the error and of its causes in the driver or server, such as `DB_UNAVAILABLE: CERT_HAS_EXPIRED`. */
function codesOf(error: unknown): string {
  const codes: string[] = []
  let cause: unknown = error
  for (let depth = 0; depth < MAX_CAUSES && typeof cause === 'object' && cause !== null; depth++) {
    const { code, cause: next } = cause as { code?: unknown; cause?: unknown }
    if (typeof code === 'string' && !codes.includes(code)) codes.push(code)
    cause = next
  }
  return codes.length === 0 ? 'ERROR' : codes.join(': ')
}
