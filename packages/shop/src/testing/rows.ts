import type { JsonList, ListParams, Pool } from '@reference/database'

/** The rows of a list, parsed from its JSON. */
export async function rowsOf<Row, Params extends ListParams>(
  pool: Pool,
  list: JsonList<Params>,
  params: Params,
): Promise<Row[]> {
  return JSON.parse(String(list.encode(await pool.bytes(list, params)))) as Row[]
}
