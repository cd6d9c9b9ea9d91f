import { STATUS_CODES } from 'node:http'
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifySchema } from 'fastify'
import { PROBLEM_TYPE } from './problems.ts'
import { ProblemSchema } from './schemas.ts'
import type { App } from './types.ts'

/** Adds `/openapi.json` (OpenAPI 3.1) and `/docs`, whose files are part of the package, so that both work offline. */
export async function addDocs(
  app: App,
  { service, version, auth }: { service: string; version: string; auth: boolean },
): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: service, version },
      ...(auth && { components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } } }),
    },
    transform: ({ schema, url }) => ({ schema: withProblems(schema), url }),
  })
  const config = { operational: true, rateLimit: false as const }
  let document: string | undefined
  app.get('/openapi.json', { schema: { hide: true }, config }, (_request, reply) => {
    document ??= JSON.stringify(app.swagger())
    reply.header('content-type', 'application/json; charset=utf-8').send(document)
  })
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: true,
    // No badge of an online validator: the page must work without a network.
    uiConfig: { validatorUrl: null },
    // With the directive a browser requests the page's files over https, which no server answers in development.
    transformStaticCSP: (header) => header.replace('upgrade-insecure-requests;', ''),
  })
}

/**
 * Adds the problem reply, which every call may send, to each route. A status that a route documents with
 * {@link ProblemSchema} gets the media type and an example of that status.
 */
function withProblems(schema: FastifySchema): FastifySchema {
  if (schema?.hide) return schema
  const named = Object.entries((schema?.response ?? {}) as Record<string, unknown>).map(
    ([status, response]) => [status, response === ProblemSchema ? problemResponse(Number(status)) : response],
  )
  return { ...schema, response: { default: problemResponse(400), ...Object.fromEntries(named) } }
}

function problemResponse(status: number) {
  const title = STATUS_CODES[status] ?? 'Problem'
  const schema = status === 400 ? ProblemSchema : { ...ProblemSchema, examples: [exampleOf(status, title)] }
  const description = status === 400 ? 'A problem (RFC 9457)' : title
  return { description, content: { [PROBLEM_TYPE]: { schema } } }
}

/** The example's code only resembles the real ones, which differ from call to call. */
function exampleOf(status: number, title: string) {
  return {
    type: 'about:blank',
    title,
    status,
    detail: title,
    instance: '/path',
    code: title.toUpperCase().replaceAll(/[^A-Z]+/g, '_'),
    requestId: '5f0c2a9be1d3-4k',
  }
}
