import { JSON_HEADERS, type Request } from '../src/load/request.ts'
import { type Dataset, scatteredIds } from '../src/stack/dataset.ts'

/** Few enough users that all are cached, enough that no two callers ask for the same one at once. */
export function hotUsers({ users }: Dataset): Request[] {
  return scatteredIds(users, 1000).map((id) => ({ path: `/users/${id}` }))
}

/** Every user once. */
export function allUsers({ users }: Dataset): Request[] {
  return scatteredIds(users).map((id) => ({ path: `/users/${id}` }))
}

/** Share of writes where a scenario mixes them with reads. */
export const WRITE_SHARE = 0.05

/** An update of a user, which invalidates its cached row. */
export function renameUser(id: number): Request {
  const body = JSON.stringify({ name: `Renamed ${id}` })
  return { method: 'PATCH', path: `/users/${id}`, headers: JSON_HEADERS, body }
}

// part:parallel-api
/** Three lists of 100 rows. */
export const ALL_LISTS: readonly Request[] = [{ path: '/all?limit=100' }]
// end:parallel-api

/** The pages of the newest orders, which a back office requests again and again. */
export function orderPages(acceptEncoding: string): () => Request[] {
  const filters = ['', '&status=pending', '&status=paid', '&status=shipped', '&status=cancelled']
  return () =>
    filters.map((filter) => ({
      path: `/orders?limit=100${filter}`,
      headers: { 'accept-encoding': acceptEncoding },
    }))
}
