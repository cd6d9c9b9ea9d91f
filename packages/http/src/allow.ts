import type { RouteOptions } from 'fastify'
import { type ProblemError, problem } from './problems.ts'

/** Knows which methods a path has, for the 405 of a path that exists. */
export interface Allowed {
  add(route: RouteOptions): void
  /** The methods of the routes that match the path; empty when there is none. */
  methodsFor(path: string): string[]
}

/** @param methods such as `GET, HEAD`; the header `allow` must say them too */
export function methodNotAllowed(methods: string): ProblemError {
  return problem(405, 'METHOD_NOT_ALLOWED', `This path takes ${methods}`)
}

export function createAllowed(): Allowed {
  const routes: { segments: string[]; methods: string[] }[] = []
  return {
    add({ url, method }) {
      // Wildcards are the documentation's files only.
      if (!url.includes('*')) routes.push({ segments: url.split('/'), methods: [method].flat() })
    },
    methodsFor(path) {
      const segments = path.split('/')
      const matching = routes.filter((route) => matches(route.segments, segments))
      return [...new Set(matching.flatMap(({ methods }) => methods))].sort()
    },
  }
}

function matches(template: string[], segments: string[]): boolean {
  return (
    template.length === segments.length &&
    template.every((part, index) => part.startsWith(':') || part === segments[index])
  )
}
