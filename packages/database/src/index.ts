export { createDatabase, type Database, type DatabaseOptions } from './database.ts'
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
export { databaseSettings, warnOfSettings } from './from-config.ts'
export { createIdempotencyStore, type IdempotencyStore } from './idempotency-store.ts'
export { createInstallationReader } from './installation.ts'
export type { PoolFigures } from './metrics.ts'
export { migrate } from './migrate.ts'
export { createOutboxStore } from './outbox-store.ts'
export type { Pool, RunOptions } from './pool.ts'
export { type PresetName, presets } from './presets.ts'
export { queries } from './queries/index.ts'
export { newestOrder, type OrderCursor } from './queries/orders.ts'
export type { ReportRow } from './queries/report.ts'
export type { Setting } from './queries/settings.ts'
export { type Attempt, type RepeatLimits, type RepeatReason, repeated } from './repeat.ts'
export { createRowAudit, type RowAudit, type RowFault } from './row-audit.ts'
export { checkedRow } from './rows.ts'
export {
  cacheOutbox,
  cacheRegistrations,
  idempotencyKeys,
  installation,
  orders,
  products,
  settings,
  users,
} from './schema.ts'
export { type SeedOptions, type SeedProgress, type SeedResult, seed } from './seed.ts'
export { type Statement, statement } from './statement.ts'
export type { StatementRecord, TracedStatement } from './tracing.ts'
export type { Transaction, TransactionOptions } from './transaction.ts'
export { type Change, createWrite, type Write, type WriteOptions, type Written } from './write.ts'
