/**
 * The resources, one line each. A folder has `table.ts`, `model.ts` (its JSON), `queries.ts` (its statements, and the table) and
 * `cache.ts` (how a row is cached). `schema.ts` and `statements.ts` find every resource here.
 */
export * as orders from './orders/queries.ts'
export * as products from './products/queries.ts'
export * as settings from './settings/queries.ts'
export * as users from './users/queries.ts'
