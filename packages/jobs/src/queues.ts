import type { PgBoss, QueueResult } from 'pg-boss'
import type { Query } from './connection.ts'
import { DEAD_LETTER_QUEUE, type JobDefinition } from './definition.ts'
import { jobUnknown, queueUnknown } from './errors.ts'
import type { JobsLogger } from './options.ts'
import { queueNames } from './store.ts'

const DAY_SECONDS = 86_400
/** A dead letter is never handled: it waits until `retentionSeconds` have passed. */
const DEAD_LETTER_SETTINGS = { retentionSeconds: 30 * DAY_SECONDS, deleteAfterSeconds: 7 * DAY_SECONDS }

/** The job definitions of a process, and their queues. Each definition has one queue, of the same name. */
export class Queues {
  readonly #definitions: ReadonlyMap<string, JobDefinition>
  readonly #query: Query

  /** @throws TypeError when two definitions have the same name */
  constructor(definitions: readonly JobDefinition[], query: Query) {
    this.#definitions = new Map(definitions.map((definition) => [definition.name, definition]))
    if (this.#definitions.size !== definitions.length)
      throw new TypeError('Two definitions have the same name.')
    this.#query = query
  }

  /** The names of the jobs that are defined in this process. */
  get defined(): string[] {
    return [...this.#definitions.keys()]
  }

  /** @throws AppError `JOB_UNKNOWN` when the job is not among the definitions of this process */
  mustDefine({ name }: Pick<JobDefinition, 'name'>): void {
    if (!this.#definitions.has(name)) throw jobUnknown(name)
  }

  /** The queues of the defined jobs; without definitions, every queue in the database. */
  async names(): Promise<string[]> {
    return this.#definitions.size > 0 ? this.defined : queueNames(this.#query)
  }

  /**
   * @param queue a name, or undefined for all queues
   * @returns the names of the selected queues
   * @throws AppError `QUEUE_UNKNOWN` when there is no queue of this name
   */
  async select(queue: string | undefined): Promise<string[]> {
    const known = await this.names()
    if (queue === undefined) return known
    if (!known.includes(queue)) throw queueUnknown(queue, known)
    return [queue]
  }

  /** Creates the queues that do not exist, and gives the others the settings of their definitions. */
  async ensure(boss: PgBoss, logger: JobsLogger | undefined): Promise<void> {
    const existing = new Map((await boss.getQueues()).map((queue) => [queue.name, queue]))
    if (!existing.has(DEAD_LETTER_QUEUE)) await boss.createQueue(DEAD_LETTER_QUEUE, DEAD_LETTER_SETTINGS)
    for (const definition of this.#definitions.values()) {
      const stored = existing.get(definition.name)
      if (stored) await updateQueue(boss, definition, stored, logger)
      else await boss.createQueue(definition.name, definition.queue)
    }
  }

  /** Schedules the jobs that have a cron expression, and unschedules the others. */
  async ensureSchedules(boss: PgBoss): Promise<void> {
    for (const { name, cron } of this.#definitions.values()) {
      if (cron) await boss.schedule(name, cron.expression, cron.data, { tz: cron.timezone })
      else await boss.unschedule(name)
    }
  }
}

/** Writes the settings of the definition if they differ. The policy of a queue cannot be changed, so a difference is logged. */
async function updateQueue(
  boss: PgBoss,
  { name, queue }: JobDefinition,
  stored: QueueResult,
  logger: JobsLogger | undefined,
): Promise<void> {
  const { policy, deadLetter = null, ...rest } = queue
  if (stored.policy !== policy) {
    const details = { job: name, stored: stored.policy, defined: policy }
    logger?.warn(details, 'a queue keeps the policy with which it was created')
  }
  const settings = { ...rest, deadLetter }
  const differs = Object.entries(settings).some(
    ([setting, value]) => (Reflect.get(stored, setting) ?? null) !== value,
  )
  if (differs) await boss.updateQueue(name, settings)
}
