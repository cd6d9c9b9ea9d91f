/** What is known of one job. Times and payload are not part of it: it is what `GET /jobs/:id` answers. */
export type JobStatus = {
  id: string
  state: JobState
  /** 0–100: as the handler last said; 100 once completed. */
  progress: number
  /** How often it was started. */
  attempts: number
  /** The handler's result, else null. */
  result: unknown
  /** One sentence: why it failed, or why it is tried again; else null. */
  error: string | null
}

export type JobState = 'queued' | 'active' | 'retrying' | 'completed' | 'failed' | 'cancelled'

type StoredState = 'created' | 'active' | 'retry' | 'completed' | 'failed' | 'cancelled'

export type JobRow = {
  id: string
  name: string
  state: StoredState
  retryCount: number
  started: boolean
  output: unknown
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

/** pg-boss's word for a state. */
export function storedState(state: JobState): string {
  return STORED_STATES.get(state) ?? state
}

/** The columns that `statusOf` reads, of pg-boss's table of jobs. */
export const STATUS_COLUMNS =
  'id, name, state, retry_count AS "retryCount", started_on IS NOT NULL AS started, output'

export function statusOf(row: JobRow): JobStatus {
  const state = STATES[row.state]
  return {
    id: row.id,
    state,
    progress: state === 'completed' ? 100 : progressOf(row.output),
    // What was stored with its result was never taken from the queue, and yet done once.
    attempts: row.started || state === 'completed' ? row.retryCount + 1 : 0,
    result: state === 'completed' ? (property(row.output, 'result') ?? null) : null,
    error: state === 'failed' || state === 'retrying' ? messageOf(row.output) : null,
  }
}

function progressOf(output: unknown): number {
  const progress = property(output, 'progress')
  return typeof progress === 'number' ? progress : 0
}

// pg-boss's own words for what it found, in words for whoever asked for the job.
const REASONS = new Map([
  ['job heartbeat timeout', 'The worker died or stopped answering.'],
  ['job timed out', 'The attempt ran longer than it may.'],
  ['pg-boss shut down while active', 'The worker was shut down before the job was done.'],
])

function messageOf(output: unknown): string {
  const value = property(output, 'value')
  const message = property(output, 'message') ?? property(value, 'message') ?? value
  if (typeof message !== 'string') return 'The job failed.'
  if (message.startsWith('handler execution exceeded')) return 'The attempt ran longer than it may.'
  return REASONS.get(message) ?? message
}

function property(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}
