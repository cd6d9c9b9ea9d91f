import { batchesStatements } from '../src/proofs/database.ts'
import { answeredFrom } from '../src/proofs/replies.ts'

/** No cache: every request for a row reads the database, and concurrent ones share statements. */
export const UNCACHED = { CACHE_L1: 'off', CACHE_L2: 'off' }

export const READS_DATABASE = [answeredFrom('off'), batchesStatements(true)]

/** Every request for a row is a statement of its own, for scenarios that show the cost of a statement. */
export const ONE_STATEMENT_EACH = { ...UNCACHED, DB_BATCHING: 'off' }

export const SENDS_ONE_STATEMENT_EACH = [answeredFrom('off'), batchesStatements(false)]
