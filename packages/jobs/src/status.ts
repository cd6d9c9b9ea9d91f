/** The state of one job, as `GET /jobs/:id` answers it. It has neither times nor the payload. */
export interface JobStatus {
  readonly id: string
  readonly state: JobState
  /** 0–100, as the handler last reported it; 100 when completed. */
  readonly progress: number
  /** How often the job was started. */
  readonly attempts: number
  /** The handler's result; null until the job is completed. */
  readonly result: unknown
  /** One sentence that says why the job failed, or why it is tried again; else null. */
  readonly error: string | null
}

export type JobState = 'queued' | 'active' | 'retrying' | 'completed' | 'failed' | 'cancelled'

type StoredState = 'created' | 'active' | 'retry' | 'completed' | 'failed' | 'cancelled'

export interface JobRow {
  readonly id: string
  readonly name: string
  readonly state: StoredState
  readonly retryCount: number
  readonly started: boolean
  readonly output: unknown
}

const STATES: Record<StoredState, JobState> = {
  created: 'queued',
  active: 'active',
  retry: 'retrying',
  completed: 'completed',
  failed: 'failed',
  cancelled: 'cancelled',
}

const STORED_STATES = new Map(Object.entries(STATES).map(([stored, state]) => [state, stored]))

/** The name of a state in pg-boss's table. */
export function storedState(state: JobState): string {
  return STORED_STATES.get(state) ?? state
}

/** The columns of pg-boss's table of jobs that `statusOf` reads. */
export const STATUS_COLUMNS =
  'id, name, state, retry_count AS "retryCount", started_on IS NOT NULL AS started, output'

export function statusOf(row: JobRow): JobStatus {
  const state = STATES[row.state]
  return {
    id: row.id,
    state,
    progress: state === 'completed' ? 100 : progressOf(row.output),
    // A job that was stored with its result was never started, and yet done once.
    attempts: row.started || state === 'completed' ? row.retryCount + 1 : 0,
    result: state === 'completed' ? (property(row.output, 'result') ?? null) : null,
    error: state === 'failed' || state === 'retrying' ? messageOf(row.output) : null,
  }
}

function progressOf(output: unknown): number {
  const progress = property(output, 'progress')
  return typeof progress === 'number' ? progress : 0
}

/** Translates pg-boss's internal messages for API clients. */
const REASONS = new Map([
  ['job heartbeat timeout', 'The worker died or stopped answering.'],
  ['job timed out', 'The attempt exceeded its time limit.'],
  ['pg-boss shut down while active', 'The worker was shut down before the job was done.'],
])

function messageOf(output: unknown): string {
  const value = property(output, 'value')
  const message = property(output, 'message') ?? property(value, 'message') ?? value
  if (typeof message !== 'string') return 'The job failed.'
  if (message.startsWith('handler execution exceeded')) return 'The attempt exceeded its time limit.'
  return REASONS.get(message) ?? message
}

function property(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}
