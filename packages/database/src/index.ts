export { withClient } from './client.ts'
export { named, timestampColumn } from './columns.ts'
export { createDatabase, type Database, type DatabaseOptions, type PoolSizes } from './database.ts'
export {
  type DatabaseError,
  isCheckViolation,
  isDatabaseUnavailable,
  isForeignKeyViolation,
  isRetryableConflict,
  isUniqueViolation,
  RowNotRepresentableError,
  rowNotRepresentable,
} from './errors.ts'
export { type ExplainedStatement, explain } from './explain.ts'
export { databaseSettings, warnOfSettings } from './from-config.ts'
export { createIdempotencyStore, type IdempotencyStore } from './idempotency-store.ts'
export { createInstallationReader } from './installation.ts'
export { jsonList, plainText } from './json-list.ts'
export { keyset } from './keyset.ts'
export { limited } from './limited.ts'
export type { PoolFigures } from './metrics.ts'
export { migrate } from './migrate.ts'
export { createOutboxStore } from './outbox-store.ts'
export { bigFromRows } from './plan.ts'
export type { Pool, RunOptions } from './pool.ts'
export { queries } from './queries/index.ts'
export { type Attempt, type RepeatLimits, type RepeatReason, repeated } from './repeat.ts'
export { checkedRow, isCents, isNotTooEarly, isTimestamp, LAST_TIMESTAMP } from './representable.ts'
export { createRowAudit } from './row-audit.ts'
export { cacheOutbox, cacheRegistrations, idempotencyKeys, installation } from './schema.ts'
export { type Statement, statement, statementsOf } from './statement.ts'
export type { StatementRecord, TracedStatement } from './tracing.ts'
export type { Transaction, TransactionOptions } from './transaction.ts'
export { isIsoMoment } from './wire.ts'
export { type Change, createWrite, type Write, type WriteOptions, type Written } from './write.ts'
