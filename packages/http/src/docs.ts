import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifySchema } from 'fastify'
import { ProblemSchema } from './schemas.ts'
import type { App } from './types.ts'

/** Adds `/openapi.json` (OpenAPI 3.1) and `/docs`, whose files come with the package: it works offline. */
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
    transform: ({ schema, url }) => ({ schema: withProblem(schema), url }),
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
    // The badge of an online validator; the page must work without a network.
    uiConfig: { validatorUrl: null },
    // Otherwise a browser asks for the page's files over https, which nothing answers in development.
    transformStaticCSP: (header) => header.replace('upgrade-insecure-requests;', ''),
  })
}

/** Every call may answer a problem; said here once rather than in each route. */
function withProblem(schema: FastifySchema): FastifySchema {
  if (schema?.hide) return schema
  const problem = {
    description: 'A problem (RFC 9457)',
    content: { 'application/problem+json': { schema: ProblemSchema } },
  }
  return { ...schema, response: { ...(schema?.response as object), default: problem } }
}
