import { type Request, scatteredIds, type World } from '../src/load/request.ts'

/** Users that many ask for: few enough to be cached, enough that no two callers ask for the same at once. */
export const hotUsers = ({ users }: World): Request[] =>
  scatteredIds(users, 1000).map((id) => ({ path: `/users/${id}` }))

/** Every user once. */
export const allUsers = ({ users }: World): Request[] =>
  scatteredIds(users).map((id) => ({ path: `/users/${id}` }))

/** The pages of the newest orders that a shop's back office keeps open. */
export const orderPages = (acceptEncoding: string) => (): Request[] =>
  ['', '&status=pending', '&status=paid', '&status=shipped', '&status=cancelled'].map((filter) => ({
    path: `/orders?limit=100${filter}`,
    headers: { 'accept-encoding': acceptEncoding },
  }))
