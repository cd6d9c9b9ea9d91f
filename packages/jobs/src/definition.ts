import type { Static, TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { type FieldFault, JobDataError, JobResultError } from './errors.ts'

/** Where jobs go that failed for good: a copy of the payload with the id of the failed job. */
export const DEAD_LETTER_QUEUE = 'dead-letter'

const DAY_SECONDS = 86_400

export type JobOptions<Data extends TSchema, Result extends TSchema> = {
  /** Letters, digits, `-`, `_`, `.` and `/`: the name of the queue as well. */
  name: string
  data: Data
  result: Result
  /** Further attempts after the first; a worker that dies uses one. Default 5. */
  retryLimit?: number
  /** The first wait; it doubles with each attempt, with jitter. Default 1. */
  retryDelaySeconds?: number
  /** Default 20: with the heartbeat below, a job whose worker died runs again within 60 s even on its last attempt. */
  retryDelayMaxSeconds?: number
  /** How long one attempt may run. Default 900. */
  timeoutSeconds?: number
  /** A worker that was not heard of for so long is dead. Default 10, which is pg-boss's least. */
  heartbeatSeconds?: number
  /** How long a finished job and its result can be read. Default 7 days. */
  keepResultSeconds?: number
  /** How long a job may wait before it is dropped. Default 14 days. */
  keepQueuedSeconds?: number
  /** Default true. */
  deadLetter?: boolean
  /** At most one active in all processes together, in the order of their enqueueing. Default false. */
  singleActive?: boolean
  /** Enqueued by the clock, once in all processes together. */
  cron?: { expression: string; data: Static<Data>; timezone?: string }
}

export type JobDefinition<Data extends TSchema = TSchema, Result extends TSchema = TSchema> = {
  readonly name: string
  readonly data: Data
  readonly result: Result
  readonly queue: QueueSettings
  readonly cron: { expression: string; data: object; timezone: string } | undefined
  /** Throws a JobDataError that names each field. */
  checkData(value: unknown): Static<Data> & object
  /** Throws a JobResultError. */
  checkResult(value: unknown): Static<Result>
}

export type QueueSettings = {
  policy: 'standard' | 'singleton'
  retryLimit: number
  retryDelay: number
  retryBackoff: true
  retryDelayMax: number
  expireInSeconds: number
  heartbeatSeconds: number
  deleteAfterSeconds: number
  retentionSeconds: number
  deadLetter?: string
}

/**
 * One job of the registry: its name, the schemas of its payload and result, and how it is retried and kept.
 * The payload is checked where it is enqueued and again where it is worked on; the result where it is stored.
 */
export function defineJob<Data extends TSchema, Result extends TSchema>(
  options: JobOptions<Data, Result>,
): JobDefinition<Data, Result> {
  const { name, data, result, cron } = options
  if (!/^[\w.\-/]+$/.test(name) || name === DEAD_LETTER_QUEUE || name.startsWith('__')) {
    throw new TypeError(
      `A job's name has letters, digits, "-", "_", "." and "/"; got ${JSON.stringify(name)}.`,
    )
  }
  const dataValidator = Compile(data)
  const resultValidator = Compile(result)

  const queue: QueueSettings = {
    policy: options.singleActive ? 'singleton' : 'standard',
    retryLimit: options.retryLimit ?? 5,
    retryDelay: options.retryDelaySeconds ?? 1,
    retryBackoff: true,
    retryDelayMax: options.retryDelayMaxSeconds ?? 20,
    expireInSeconds: options.timeoutSeconds ?? 900,
    heartbeatSeconds: options.heartbeatSeconds ?? 10,
    deleteAfterSeconds: options.keepResultSeconds ?? 7 * DAY_SECONDS,
    retentionSeconds: options.keepQueuedSeconds ?? 14 * DAY_SECONDS,
    ...(options.deadLetter === false ? {} : { deadLetter: DEAD_LETTER_QUEUE }),
  }

  function checkData(value: unknown): Static<Data> & object {
    if (dataValidator.Check(value) && typeof value === 'object' && value !== null) return value
    const faults = faultsOf(dataValidator.Errors(value))
    throw new JobDataError(name, faults.length > 0 ? faults : [{ field: '', message: 'must be an object' }])
  }

  function checkResult(value: unknown): Static<Result> {
    if (resultValidator.Check(value)) return value
    throw new JobResultError(name, faultsOf(resultValidator.Errors(value)))
  }

  return {
    name,
    data,
    result,
    queue,
    cron: cron && { ...cron, data: checkData(cron.data), timezone: cron.timezone ?? 'UTC' },
    checkData,
    checkResult,
  }
}

// More than a few faults help nobody, and a hostile payload can have thousands.
const MAX_FAULTS = 20

function faultsOf(errors: Iterable<{ instancePath: string; message: string }>): FieldFault[] {
  const faults: FieldFault[] = []
  for (const { instancePath, message } of errors) {
    faults.push({ field: instancePath.slice(1).replaceAll('/', '.'), message })
    if (faults.length === MAX_FAULTS) break
  }
  return faults
}
