export { withClient } from './client.ts'
export { named, timestampColumn } from './columns.ts'
export { createDatabase, type Database, type DatabaseOptions, type PoolSizes } from './database.ts'
export {
  isCheckViolation,
  isForeignKeyViolation,
  isRetryableConflict,
  isUniqueViolation,
  rowNotRepresentable,
} from './errors.ts'
export { type ExplainedStatement, explain } from './explain.ts'
export { databaseSettings, warnOfSettings } from './from-config.ts'
export { type GrantOptions, grantRows } from './grant.ts'
export { createIdempotencyStore } from './idempotency-store.ts'
export { createInstallationReader } from './installation.ts'
export { type JsonList, jsonList, plainText } from './json-list.ts'
export { keyset } from './keyset.ts'
export { limited } from './limited.ts'
export { migrate } from './migrate.ts'
export { isOneOf } from './one-of.ts'
export { createOutboxStore } from './outbox-store.ts'
export { BIG_TABLE_ROWS } from './plan.ts'
export type { Pool } from './pool.ts'
export { queries } from './queries/index.ts'
export { type Attempt, repeated } from './repeat.ts'
export { checkedRow, isCents, isNotTooEarly, isTimestamp, LAST_TIMESTAMP } from './representable.ts'
export { liftLimits } from './role-settings.ts'
export { createRowAudit } from './row-audit.ts'
export { cacheOutbox, cacheRegistrations, idempotencyKeys, installation } from './schema.ts'
export { type Statement, statement, statementsOf } from './statement.ts'
export type { StatementRecord, TracedStatement } from './tracing.ts'
export type { Transaction } from './transaction.ts'
export { isIsoTimestamp } from './type-parsers.ts'
export { createWrite, type Write } from './write.ts'
