import { STATUS_CODES } from 'node:http'
import Fastify, { type FastifySchema, type RouteOptions } from 'fastify'
import { PROBLEM_TYPE } from './problems.ts'
import { ProblemSchema } from './schemas.ts'

/**
 * Writes the OpenAPI document of routes. `@fastify/swagger` collects the routes of a server while they are added, so a second
 * server, which never listens and compiles no schema, gets the same ones.
 *
 * @returns JSON
 */
export async function openApiOf(
  routes: readonly RouteOptions[],
  { service, version, auth }: { service: string; version: string; auth: boolean },
): Promise<string> {
  const { default: swagger } = await import('@fastify/swagger')
  const app = Fastify({ exposeHeadRoutes: false })
  app.setValidatorCompiler(() => () => true)
  app.setSerializerCompiler(() => JSON.stringify)
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: service, version },
      ...(auth && { components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } } }),
    },
    transform: ({ schema, url }) => ({ schema: withProblems(schema), url }),
  })
  for (const { method, url, schema, config } of routes) {
    if (method === 'HEAD') continue
    app.route({ method, url, ...(schema && { schema }), ...(config && { config }), handler: () => {} })
  }
  await app.ready()
  const document = JSON.stringify(app.swagger())
  await app.close()
  return document
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
