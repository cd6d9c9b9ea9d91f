import { createHash } from 'node:crypto'
import { sql } from 'drizzle-orm'
import { type Db, type DrizzleTransactionLike, fromDrizzle, type JobOptions, type PgBoss } from 'pg-boss'
import type { Connection } from './connection.ts'
import type { JobDefinition } from './definition.ts'
import { isUnstorableJson, jobDataInvalid } from './errors.ts'
import { isJobId } from './store.ts'
import { outputOf } from './worker.ts'

/** A transaction of the database package, or any object that holds a transaction of Drizzle. */
export interface JobTransaction {
  readonly drizzle: DrizzleTransactionLike
}

export interface EnqueueOptions {
  /** The job exists if this transaction commits. */
  readonly tx?: JobTransaction
  /** A UUID. Enqueueing it again stores nothing. */
  readonly id?: string
  /** Any text. Jobs of one definition with the same key are duplicates, see `onDuplicate`. */
  readonly key?: string
  /**
   * Which of two jobs with the same `key` wins. Default `keep`.
   *
   * - `keep`: the first. As long as it is stored (7 days after its end), the second job is not stored, and the call returns the
   *   id of the first.
   * - `replace`: the latest. A waiting job of the key (before its first attempt or before a retry) gets the data of this call,
   *   and its `priority` and `startAfter` if given; the call returns the id of that job. A job that is active or has ended does
   *   not change, and a new job is stored. Not together with `id`.
   *
   * A job that was enqueued with `keep` and one with `replace` are no duplicates, even with the same key.
   */
  readonly onDuplicate?: 'keep' | 'replace'
  /** Higher runs first. Default 0. */
  readonly priority?: number
  /** A time, or seconds from now. */
  readonly startAfter?: Date | number
}

/** How often `replace` is tried when a worker fetches the waiting job between the statements of `upsert`. */
const REPLACE_ATTEMPTS = 10

/** Stores jobs. */
export class Enqueuer {
  readonly #boss: PgBoss
  readonly #connection: Connection

  constructor(boss: PgBoss, connection: Connection) {
    this.#boss = boss
    this.#connection = connection
  }

  /** @returns the id of the job */
  async enqueue(definition: JobDefinition, data: object, options: EnqueueOptions): Promise<string> {
    const { name } = definition
    checkOptions(name, options)
    const { tx, key, onDuplicate } = options
    const db = tx ? inTransaction(tx) : this.#connection.calls
    return withDataErrors(name, () =>
      key !== undefined && onDuplicate === 'replace'
        ? this.#replace(name, data, { ...bossOptions(options), singletonKey: key, db })
        : this.#send(name, data, { ...bossOptions(options), db }, jobIdOf(name, options)),
    )
  }

  /** Stores a job with its result. @returns the id of the job */
  async storeCompleted(
    { name }: JobDefinition,
    data: object,
    result: unknown,
    tx: JobTransaction | undefined,
  ): Promise<string> {
    // One transaction: a handler must not find the job between the two statements.
    const store = async (db: Db) => {
      const id = await this.#send(name, data, { db }, undefined)
      await this.#boss.complete(name, id, outputOf(result), { db, includeQueued: true })
      return id
    }
    return withDataErrors(name, () => (tx ? store(inTransaction(tx)) : this.#connection.transaction(store)))
  }

  async #send(name: string, data: object, options: StoreOptions, id: string | undefined): Promise<string> {
    const sent = await this.#boss.send(name, data, id === undefined ? options : { ...options, id })
    // Null: a job with this id exists.
    const stored = sent ?? id
    if (stored === undefined) throw new Error(`Job ${name} was not stored.`)
    return stored
  }

  /**
   * `upsert` of pg-boss updates the waiting jobs of the key, or inserts a job if none waits. An index admits one job a key that
   * waits for its first attempt; others may wait for a retry. `match: 'all'` updates these too: they would run with older data.
   */
  async #replace(
    name: string,
    data: object,
    options: StoreOptions & { singletonKey: string },
  ): Promise<string> {
    for (let attempt = 0; attempt < REPLACE_ATTEMPTS; attempt++) {
      const { jobs } = await this.#boss.upsert(name, data, { ...options, match: 'all' })
      // Neither updated nor inserted: another call had inserted a job of the key, and a worker fetched it before the update.
      if (jobs[0] !== undefined) return jobs[0]
    }
    throw new Error(`Job ${name} was not stored: workers took ${REPLACE_ATTEMPTS} jobs of its key meanwhile.`)
  }
}

interface StoreOptions extends Pick<JobOptions, 'priority' | 'startAfter'> {
  db: Db
}

function bossOptions({ priority, startAfter }: EnqueueOptions): Pick<JobOptions, 'priority' | 'startAfter'> {
  const options: Pick<JobOptions, 'priority' | 'startAfter'> = {}
  if (priority !== undefined) options.priority = priority
  if (startAfter !== undefined) options.startAfter = startAfter
  return options
}

/** @throws AppError `JOB_DATA_INVALID` for an id that is no UUID; TypeError for options that exclude each other */
function checkOptions(job: string, { id, key, onDuplicate }: EnqueueOptions): void {
  if (id !== undefined && !isJobId(id))
    throw jobDataInvalid(job, [{ field: 'id', message: 'must be a UUID' }])
  if (onDuplicate === 'replace' && (!key || id !== undefined))
    throw new TypeError("onDuplicate 'replace' takes a key and no id.")
}

function jobIdOf(job: string, { id, key }: EnqueueOptions): string | undefined {
  return id ?? (key === undefined ? undefined : idOfKey(job, key))
}

/** A UUID of version 8 (RFC 9562: custom content), from a hash of the queue and the key. */
function idOfKey(queue: string, key: string): string {
  const hex = createHash('sha256').update(`${queue}\0${key}`).digest('hex')
  const variant = ((Number.parseInt(hex.charAt(16), 16) & 0x3) | 0x8).toString(16)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

function inTransaction({ drizzle }: JobTransaction): Db {
  return fromDrizzle(drizzle, sql)
}

/** @throws AppError `JOB_DATA_INVALID` when the data holds text that Postgres cannot store */
async function withDataErrors<T>(job: string, store: () => Promise<T>): Promise<T> {
  try {
    return await store()
  } catch (error) {
    if (!isUnstorableJson(error)) throw error
    const field = { field: '', message: 'must not hold U+0000 or half of a surrogate pair' }
    throw jobDataInvalid(job, [field], error)
  }
}
