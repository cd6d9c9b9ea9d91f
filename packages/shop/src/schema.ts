import { cacheOutbox, cacheRegistrations, idempotencyKeys, installation } from '@reference/database'
import type { PgTable } from 'drizzle-orm/pg-core'
import * as resources from './resources.ts'

/** The tables of the resources. */
export const SHOP_TABLES: readonly PgTable[] = Object.values(resources).map(({ table }) => table)

/** Every table of the shop's migrations. */
export const TABLES: readonly PgTable[] = [
  ...SHOP_TABLES,
  ...[cacheOutbox, cacheRegistrations, idempotencyKeys, installation],
]
