import type { Db, PgBoss } from 'pg-boss'
import type { Connection } from './connection.ts'
import type { Queues } from './queues.ts'
import { type JobRow, type JobState, type JobStatus, statusOf, storedState } from './status.ts'
import {
  DELETE_DEAD_LETTER,
  type DeadLetter,
  type DeadLetterRef,
  deadLetterRefs,
  findDeadLetter,
  findJob,
  isJobId,
  listDeadLetters,
  listJobs,
} from './store.ts'
import type { Workers } from './workers.ts'

export interface ListOptions {
  readonly queue?: string
  readonly state?: JobState
  /** Default 50. */
  readonly limit?: number
  /** List the dead letters instead: jobs that failed for good, kept for 30 days even when the job itself is not. */
  readonly deadLetters?: boolean
}

export interface ListedJob extends JobStatus {
  readonly queue: string
  readonly createdAt: Date
}

/** A job after `cancel` or `retry`. An ended job cannot be cancelled, and only a failed or cancelled job can be retried. */
export interface ChangedJob extends JobStatus {
  /** Whether this call changed it. */
  readonly changed: boolean
}

const LIST_LIMIT = 50

export interface InspectorOptions {
  readonly boss: PgBoss
  readonly connection: Connection
  readonly queues: Queues
  readonly workers: Workers
}

/** Reads, lists, cancels and retries the jobs that are stored. */
export class Inspector {
  readonly #boss: PgBoss
  readonly #connection: Connection
  readonly #queues: Queues
  readonly #workers: Workers

  constructor({ boss, connection, queues, workers }: InspectorOptions) {
    this.#boss = boss
    this.#connection = connection
    this.#queues = queues
    this.#workers = workers
  }

  async get(id: string): Promise<JobStatus | undefined> {
    const row = await this.#find(id)
    return row && statusOf(row)
  }

  async list({ queue, state, limit = LIST_LIMIT, deadLetters = false }: ListOptions): Promise<ListedJob[]> {
    const { query } = this.#connection
    const names = await this.#queues.select(queue)
    const rows = deadLetters
      ? await listDeadLetters(query, names, limit)
      : await listJobs(query, names, state && storedState(state), limit)
    return rows.map((row) => ({ ...statusOf(row), queue: row.name, createdAt: row.createdAt }))
  }

  async deadLetters(queue: string | undefined): Promise<DeadLetterRef[]> {
    return deadLetterRefs(this.#connection.query, await this.#queues.select(queue))
  }

  async cancel(id: string): Promise<ChangedJob | undefined> {
    const before = await this.#find(id)
    if (!before) return undefined
    await this.#boss.cancel(before.name, id, { db: this.#connection.calls })
    const after = await this.#find(id)
    if (!after) return undefined
    const isCancelled = after.state === 'cancelled'
    if (isCancelled) this.#workers.abort(id, 'The job was cancelled.')
    return { ...statusOf(after), changed: isCancelled && before.state !== 'cancelled' }
  }

  async retry(job: string | DeadLetterRef): Promise<ChangedJob | undefined> {
    const ref: { id: string; letterId?: string } = typeof job === 'string' ? { id: job } : job
    if (!isJobId(ref.id)) return undefined
    const stored = (await this.#find(ref.id)) ?? (await this.#findDeadLetter(ref))
    if (!stored) return undefined
    const changed = await this.#connection.transaction(async (db) => {
      const isEnqueued = await this.#enqueueAgain(stored, ref.id, db)
      if (isEnqueued) await db.executeSql(DELETE_DEAD_LETTER, [ref.id, ref.letterId ?? null])
      return isEnqueued
    })
    if (changed) this.#workers.wake(stored.name)
    const after = await this.#find(ref.id)
    return after && { ...statusOf(after), changed }
  }

  /** @returns false for a job that waits, is active or is completed */
  async #enqueueAgain(stored: JobRow | DeadLetter, id: string, db: Db): Promise<boolean> {
    // Only a dead letter has `data`. Its job is no longer stored, so a new job gets the same id.
    if ('data' in stored) await this.#boss.send(stored.name, stored.data, { id, db })
    else if (stored.state === 'cancelled') await this.#boss.resume(stored.name, id, { db })
    else if (stored.state === 'failed') await this.#boss.retry(stored.name, id, { db })
    else return false
    return true
  }

  async #find(id: string): Promise<JobRow | undefined> {
    return isJobId(id) ? findJob(this.#connection.query, await this.#queues.names(), id) : undefined
  }

  async #findDeadLetter(ref: { id: string; letterId?: string }): Promise<DeadLetter | undefined> {
    return findDeadLetter(this.#connection.query, await this.#queues.names(), ref)
  }
}
