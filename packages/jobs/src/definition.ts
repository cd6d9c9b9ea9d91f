import type { FieldError } from '@reference/errors'
import type { Static, TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { jobDataInvalid, jobResultInvalid } from './errors.ts'

/** Holds a copy of each job that failed for good: its payload, and the id of the job. */
export const DEAD_LETTER_QUEUE = 'dead-letter'

const DAY_SECONDS = 86_400

export interface JobOptions<Data extends TSchema, Result extends TSchema> {
  /** Letters, digits, `-`, `_`, `.` and `/`. It is also the name of the queue. */
  readonly name: string
  readonly data: Data
  readonly result: Result
  /** Attempts after the first; a worker that dies uses one. Default 5. */
  readonly retryLimit?: number
  /** The first pause; it doubles with each attempt, with jitter. Default 1. */
  readonly retryDelaySeconds?: number
  /** Default 20: with the default heartbeat, a job whose worker died runs again within 60 s even on its last attempt. */
  readonly retryDelayMaxSeconds?: number
  /** Limit of one attempt. Default 900. */
  readonly timeoutSeconds?: number
  /** A worker that has sent no heartbeat for this time is dead. Default 10, the least that pg-boss accepts. */
  readonly heartbeatSeconds?: number
  /** How long a job that has ended, and its result, can be read. Default 7 days. */
  readonly keepResultSeconds?: number
  /** How long a job may wait before it is dropped. Default 14 days. */
  readonly keepQueuedSeconds?: number
  /** Whether a job that failed for good leaves a copy in `dead-letter`. Default true. */
  readonly deadLetter?: boolean
  /**
   * At most one job is active in all processes together, in the order of their enqueueing. Jobs that are enqueued with
   * `onDuplicate: 'replace'`: at most one for each key. Default false.
   */
  readonly singleActive?: boolean
  /** Enqueued by the clock, once in all processes together. */
  readonly cron?: { readonly expression: string; readonly data: Static<Data>; readonly timezone?: string }
}

export interface JobDefinition<Data extends TSchema = TSchema, Result extends TSchema = TSchema> {
  readonly name: string
  readonly data: Data
  readonly result: Result
  readonly queue: QueueSettings
  readonly cron: { readonly expression: string; readonly data: object; readonly timezone: string } | undefined
  /** @throws AppError `JOB_DATA_INVALID`, which names each field */
  checkData(value: unknown): Static<Data> & object
  /** @throws AppError `JOB_RESULT_INVALID` */
  checkResult(value: unknown): Static<Result>
}

/** How pg-boss names the settings of a queue. */
export interface QueueSettings {
  readonly policy: 'standard' | 'singleton'
  readonly retryLimit: number
  readonly retryDelay: number
  readonly retryBackoff: true
  readonly retryDelayMax: number
  readonly expireInSeconds: number
  readonly heartbeatSeconds: number
  readonly deleteAfterSeconds: number
  readonly retentionSeconds: number
  readonly deadLetter?: string
}

/**
 * Defines a job: its name, the schemas of its payload and result, how it is retried and how long it is kept. The payload is
 * checked when it is enqueued and again before it is handled; the result is checked before it is stored.
 *
 * @throws TypeError when the name cannot be that of a queue; AppError `JOB_DATA_INVALID` when the schema refuses the data of `cron`
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

  function checkData(value: unknown): Static<Data> & object {
    if (dataValidator.Check(value) && typeof value === 'object' && value !== null) return value
    const errors = fieldErrors(dataValidator.Errors(value))
    throw jobDataInvalid(name, errors.length > 0 ? errors : [{ field: '', message: 'must be an object' }])
  }

  function checkResult(value: unknown): Static<Result> {
    if (resultValidator.Check(value)) return value
    throw jobResultInvalid(name, fieldErrors(resultValidator.Errors(value)))
  }

  return {
    name,
    data,
    result,
    queue: queueSettings(options),
    cron: cron && { ...cron, data: checkData(cron.data), timezone: cron.timezone ?? 'UTC' },
    checkData,
    checkResult,
  }
}

function queueSettings(options: JobOptions<TSchema, TSchema>): QueueSettings {
  return {
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
}

/** A hostile payload can have thousands of faults, and a reader needs few. */
const MAX_FIELD_ERRORS = 20

function fieldErrors(errors: Iterable<{ instancePath: string; message: string }>): FieldError[] {
  const found: FieldError[] = []
  for (const { instancePath, message } of errors) {
    found.push({ field: instancePath.slice(1).replaceAll('/', '.'), message })
    if (found.length === MAX_FIELD_ERRORS) break
  }
  return found
}
