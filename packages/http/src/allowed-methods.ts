import { AppError } from '@reference/errors'
import type { RouteOptions } from 'fastify'

/** The methods of each path, for the 405 reply of a path that exists. */
export interface AllowedMethods {
  add(route: RouteOptions): void
  /** The methods of all routes that match the path; empty without a match. */
  forPath(path: string): string[]
}

/** @param methods such as `GET, HEAD`; the reply must carry the same text in its `allow` header */
export function methodNotAllowed(methods: string): AppError {
  return new AppError('METHOD_NOT_ALLOWED', 405, `This path takes ${methods}`)
}

export function createAllowedMethods(): AllowedMethods {
  const routes: { segments: string[]; methods: string[] }[] = []
  return {
    add({ url, method }) {
      // Only the files of the documentation have wildcards.
      if (!url.includes('*')) routes.push({ segments: url.split('/'), methods: [method].flat() })
    },
    forPath(path) {
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
