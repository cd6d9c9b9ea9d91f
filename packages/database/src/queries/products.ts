import type { Product } from '@reference/model'
import { and, asc, eq, gt, sql } from 'drizzle-orm'
import { columns, representable } from '../rows.ts'
import { products } from '../schema.ts'
import { statement } from '../statement.ts'
import { limited } from './limited.ts'

const { placeholder } = sql

export const productById = statement<{ id: number }, Product>('product_by_id', (db) =>
  db
    .select(columns.product())
    .from(products)
    .where(eq(products.id, placeholder('id'))),
)

/** The rows that exist, in no order. */
export const productsByIds = statement<{ ids: number[] }, Product>('products_by_ids', (db) =>
  db
    .select(columns.product())
    .from(products)
    .where(sql`${products.id} = any(${placeholder('ids')}::int[])`),
)

/** Ascending from the first id past `after`; 0 starts. */
export const productsPage = statement<{ after: number; limit: number }, Product>('products_page', (db) =>
  limited(
    db
      .select(columns.product())
      .from(products)
      .where(and(gt(products.id, placeholder('after')), representable.product()))
      .orderBy(asc(products.id)),
  ),
)
