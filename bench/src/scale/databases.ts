import { explain } from '@reference/database'
import { prepareDatabase } from '@reference/local-stack'
import { STATEMENTS } from '@reference/shop/statements'
import type { Dataset } from '../stack/dataset.ts'
import { type BenchStack, databaseName, inDatabase } from '../stack/stack.ts'

/** A database with a multiple of the rows. */
export interface ScaledDatabase {
  readonly factor: number
  readonly dataset: Dataset
  readonly url: string
  /** How Postgres reads the tables for each statement, by its name. */
  readonly plans: ReadonlyMap<string, StatementPlan>
}

export interface StatementPlan {
  /** Such as `Index Scan orders_pkey`, one a table. */
  readonly accesses: readonly string[]
  /** Pages of 8 kB that the statement touches. */
  readonly pages: number
  readonly faults: readonly string[]
}

/**
 * Creates a database with `factor` times the users and orders of the stack's own, and explains every statement on it. The
 * products stay: a shop that grows sells more, not more kinds.
 */
export async function createScaledDatabase(
  stack: BenchStack,
  factor: number,
  signal: AbortSignal,
): Promise<ScaledDatabase> {
  const { users, products, orders } = stack.dataset
  const dataset = { users: users * factor, products, orders: orders * factor }
  const url = factor === 1 ? stack.databaseUrl : await createDatabase(stack, `times_${factor}`)
  if (factor !== 1) await prepareDatabase(url, dataset, { signal })
  return { factor, dataset, url, plans: await explainAll(inDatabase(stack.superuserUrl, databaseName(url))) }
}

async function createDatabase({ admin, databaseUrl }: BenchStack, name: string): Promise<string> {
  const owner = decodeURIComponent(new URL(databaseUrl).username)
  await admin`CREATE DATABASE ${admin(name)} OWNER ${admin(owner)}`
  return inDatabase(databaseUrl, name)
}

async function explainAll(url: string): Promise<Map<string, StatementPlan>> {
  const { queries } = await explain({ url, statements: STATEMENTS })
  return new Map(
    queries.map(({ query, accesses, buffers, faults }) => [
      query,
      {
        accesses: accesses.map(({ how, index, table }) => `${how} ${index ?? table}`),
        pages: buffers.hit + buffers.read,
        faults,
      },
    ]),
  )
}
