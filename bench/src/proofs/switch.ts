import { pipelinesCommands, preparesStatements, queriesAtOnce, writesOutbox } from './database.ts'
import {
  computesOnThreads,
  logsRequests,
  opensConnections,
  startedWith,
  worksInBackground,
} from './process.ts'
import type { Proof } from './proof.ts'
import { answersBeforeFastify, encodedAs, exposesMetrics } from './replies.ts'

/** The proof that a tuning switch has a value, independent of the scenario. */
export function proofOfSwitch(name: string, value: string): Proof {
  const on = value === 'on'
  switch (name) {
    case 'REQUEST_LOG':
      return logsRequests(on)
    case 'METRICS':
      return exposesMetrics(on)
    case 'HTTP_FAST_PATH':
      return answersBeforeFastify(on)
    case 'DB_PREPARE':
      return preparesStatements(on)
    case 'REDIS_AUTO_PIPELINING':
      return pipelinesCommands(on)
    case 'HTTP_KEEP_ALIVE':
      return opensConnections(!on)
    case 'PARALLEL_FETCH':
      return queriesAtOnce(on ? 3 : 1)
    case 'WORKER_THREADS':
      return computesOnThreads(value !== '0')
    // part:jobs
    case 'BACKGROUND_JOBS':
      return worksInBackground(on)
    // end:jobs
    case 'CACHE_OUTBOX':
      return writesOutbox(on)
    case 'COMPRESSION':
      return encodedAs(on ? 'gzip' : 'identity')
    default:
      // Its effect depends on the requests, so the scenario adds a proof of its own.
      return startedWith(name, value)
  }
}
