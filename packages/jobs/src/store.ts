import type { Query } from './connection.ts'
import { DEAD_LETTER_QUEUE } from './definition.ts'
import type { QueueDepth } from './metrics.ts'
import { SCHEMA } from './migrate.ts'
import { type JobRow, STATUS_COLUMNS } from './status.ts'

// Reads that pg-boss has no call for: by id alone, and across queues. They rely on its tables, so its version is pinned.

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

export function isJobId(id: string): boolean {
  return UUID.test(id)
}

const FIND = `SELECT ${STATUS_COLUMNS} FROM ${SCHEMA}.job WHERE name = ANY($1::text[]) AND id = $2::uuid`

export async function findJob(
  query: Query,
  queues: readonly string[],
  id: string,
): Promise<JobRow | undefined> {
  const { rows } = await query(FIND, [queues, id])
  return rows[0] as JobRow | undefined
}

export type ListedRow = JobRow & { readonly createdAt: Date }

const LIST = `
  SELECT ${STATUS_COLUMNS}, created_on AS "createdAt" FROM ${SCHEMA}.job
  WHERE name = ANY($1::text[]) AND ($2::text IS NULL OR state = $2::${SCHEMA}.job_state)
  ORDER BY created_on DESC, id LIMIT $3`

export async function listJobs(
  query: Query,
  queues: readonly string[],
  state: string | undefined,
  limit: number,
): Promise<ListedRow[]> {
  const { rows } = await query(LIST, [queues, state ?? null, limit])
  return rows as unknown as ListedRow[]
}

const LIST_DEAD = `
  SELECT source_id AS id, source_name AS name, 'failed' AS state, source_retry_count AS "retryCount", true AS started,
    source_output AS output, created_on AS "createdAt"
  FROM ${SCHEMA}.job WHERE name = '${DEAD_LETTER_QUEUE}' AND source_name = ANY($1::text[])
  ORDER BY created_on DESC, id LIMIT $2`

/** The dead letters, in the form of the jobs that they are copies of. */
export async function listDeadLetters(
  query: Query,
  queues: readonly string[],
  limit: number,
): Promise<ListedRow[]> {
  const { rows } = await query(LIST_DEAD, [queues, limit])
  return rows as unknown as ListedRow[]
}

/** Names a dead letter by the id of its job and its own. */
export interface DeadLetterRef {
  readonly id: string
  readonly letterId: string
}

const DEAD_REFS = `
  SELECT source_id AS id, id AS "letterId" FROM ${SCHEMA}.job
  WHERE name = '${DEAD_LETTER_QUEUE}' AND source_name = ANY($1::text[]) ORDER BY created_on, id`

export async function deadLetterRefs(query: Query, queues: readonly string[]): Promise<DeadLetterRef[]> {
  const { rows } = await query(DEAD_REFS, [queues])
  return rows as unknown as DeadLetterRef[]
}

// The id of the letter is indexed, the id of its job is not: a search by the job's id takes 300 ms among 120,000 letters.
const isLetterOf = (id: string, letterId: string) =>
  `name = '${DEAD_LETTER_QUEUE}' AND source_id = ${id}::uuid AND (${letterId}::uuid IS NULL OR id = ${letterId}::uuid)`

const FIND_DEAD = `
  SELECT source_name AS name, data FROM ${SCHEMA}.job WHERE ${isLetterOf('$2', '$3')} AND source_name = ANY($1::text[])`

export interface DeadLetter {
  readonly name: string
  readonly data: object
}

export async function findDeadLetter(
  query: Query,
  queues: readonly string[],
  { id, letterId }: { readonly id: string; readonly letterId?: string },
): Promise<DeadLetter | undefined> {
  const { rows } = await query(FIND_DEAD, [queues, id, letterId ?? null])
  return rows[0] as DeadLetter | undefined
}

/** Deletes the dead letter of a job that is sent again. Values: the id of the job, and the id of the letter or null. */
export const DELETE_DEAD_LETTER = `DELETE FROM ${SCHEMA}.job WHERE ${isLetterOf('$1', '$2')}`

const QUEUE_NAMES = `SELECT name FROM ${SCHEMA}.queue WHERE name NOT LIKE '\\_\\_%' AND name <> $1 ORDER BY name`

/** Every queue of jobs, without the dead letters and pg-boss's own queues. */
export async function queueNames(query: Query): Promise<string[]> {
  const { rows } = await query(QUEUE_NAMES, [DEAD_LETTER_QUEUE])
  return rows.map((row) => String(row.name))
}

/** Reads one entry of pg-boss's index on (name, state, blocked, start_after), however many jobs wait. */
const ageOfOldest = (state: 'created' | 'retry') => `(
      SELECT extract(epoch FROM now() - start_after)::float8 FROM ${SCHEMA}.job
      WHERE job.name = queue.name AND state = '${state}' AND NOT blocked AND start_after <= now()
      ORDER BY start_after LIMIT 1)`

/** The counts are the monitor's. Its column for the age is empty unless pg-boss keeps statistics, so the age is looked up. */
const DEPTHS = `
  SELECT name, ready_count AS ready, deferred_count AS deferred, active_count AS active, failed_count AS failed,
    greatest(0, ${ageOfOldest('created')}, ${ageOfOldest('retry')}) AS "oldestSeconds"
  FROM ${SCHEMA}.queue WHERE name = ANY($1::text[])`

export async function queueDepths(query: Query, queues: readonly string[]): Promise<QueueDepth[]> {
  const { rows } = await query(DEPTHS, [queues])
  return rows as unknown as QueueDepth[]
}
