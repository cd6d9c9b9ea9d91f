import { statementsPerRequest } from '../src/proofs/database.ts'
import { answeredFrom } from '../src/proofs/replies.ts'

/** No cache: every request for a row is a query. */
export const UNCACHED = { CACHE_L1: 'off', CACHE_L2: 'off' }

export const READS_DATABASE = [answeredFrom('off'), statementsPerRequest(1)]
