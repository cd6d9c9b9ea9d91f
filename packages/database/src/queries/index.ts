import * as caches from './caches.ts'
import * as idempotency from './idempotency.ts'
import * as installation from './installation.ts'
import * as outbox from './outbox.ts'

/** The statements on the platform's own tables. */
export const queries = { ...idempotency, ...outbox, ...caches, ...installation }
