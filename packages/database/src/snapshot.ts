import { sql } from 'drizzle-orm'
import { statement } from './statement.ts'
import type { Transaction, TransactionSettings } from './transaction.ts'

/** Runs work in a transaction on the connection with this number. */
type Begin = <Result>(
  index: number,
  settings: TransactionSettings,
  work: (tx: Transaction) => Promise<Result>,
) => Promise<Result>

const EXPORT_SNAPSHOT = statement<object, { snapshot: string }>(
  'export_snapshot',
  () => sql`select pg_export_snapshot() as snapshot`,
)

/**
 * Opens a transaction on each connection, all with the snapshot that the first one exports. They are nested, because an
 * exported snapshot can be taken only while its transaction is open.
 */
export function openSnapshot<Result>(
  begin: Begin,
  [first = 0, ...others]: readonly number[],
  settings: TransactionSettings,
  work: (parts: Transaction[]) => Promise<Result>,
): Promise<Result> {
  const options = { ...settings, isolation: 'repeatable read', readOnly: true } as const
  return begin(first, options, async (tx) => {
    const exported = await tx.first(EXPORT_SNAPSHOT, {})
    const openOthers = (parts: Transaction[]): Promise<Result> => {
      const index = others[parts.length - 1]
      if (index === undefined) return work(parts)
      const snapshot = exported?.snapshot ?? ''
      return begin(index, { ...options, snapshot }, (part) => openOthers([...parts, part]))
    }
    return openOthers([tx])
  })
}
