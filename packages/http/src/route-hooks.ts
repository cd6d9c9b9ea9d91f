import type { RouteOptions } from 'fastify'

/** The hooks of a route with one more before them. */
export function withFirst<Hook>(hook: Hook, existing: Hook | Hook[] | undefined): Hook[] {
  return [hook, ...[existing ?? []].flat()] as Hook[]
}

/** Whether a route takes no method besides `GET` and `HEAD`. */
export function onlyReads(method: RouteOptions['method']): boolean {
  return [method].flat().every((name) => name === 'GET' || name === 'HEAD')
}
