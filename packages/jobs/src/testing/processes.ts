import { fileURLToPath } from 'node:url'

/** Arguments: `enqueue` or `hang`, and the URL of the database. */
export const ROLE_PROCESS = fileURLToPath(new URL('./role-process.ts', import.meta.url))

/** A worker process for `entry`. Argument: the URL of the database. It writes "ready" once it takes jobs. */
export const LEDGER_WORKER = fileURLToPath(new URL('./ledger-process.ts', import.meta.url))
