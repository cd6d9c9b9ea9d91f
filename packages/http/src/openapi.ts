import { STATUS_CODES } from 'node:http'
import Fastify, { type FastifySchema, type RouteOptions } from 'fastify'
import { PROBLEM_TYPE } from './problems.ts'
import { ProblemSchema, REPLY_DESCRIPTION } from './schemas.ts'

/** What the OpenAPI document says about the whole API. */
export interface ApiInfo {
  readonly title: string
  /** Markdown. */
  readonly description: string | undefined
  readonly version: string
  /** Which bearer token some calls need. */
  readonly auth: 'off' | 'token' | 'jwt'
}

/**
 * Writes the OpenAPI document of routes. `@fastify/swagger` collects the routes of a server while they are added, so a second
 * server, which never listens and compiles no schema, gets the same ones.
 *
 * @returns JSON
 */
export async function openApiOf(
  routes: readonly RouteOptions[],
  { title, description, version, auth }: ApiInfo,
): Promise<string> {
  const { default: swagger } = await import('@fastify/swagger')
  const app = Fastify({ exposeHeadRoutes: false })
  app.setValidatorCompiler(() => () => true)
  app.setSerializerCompiler(() => JSON.stringify)
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title, version, ...(description !== undefined && { description }) },
      ...(auth !== 'off' && { components: { securitySchemes: { bearer: BEARER[auth] } } }),
    },
    transform: ({ schema, url }) => ({ schema: withProblems(schema), url }),
  })
  const isOperational = ({ config }: RouteOptions) => Number(config?.operational === true)
  for (const { method, url, schema, config } of routes.toSorted(
    (a, b) => isOperational(a) - isOperational(b),
  )) {
    if (method === 'HEAD') continue
    app.route({ method, url, ...(schema && { schema }), ...(config && { config }), handler: () => {} })
  }
  await app.ready()
  const document = JSON.stringify(app.swagger())
  await app.close()
  return document
}

const BEARER = {
  token: { type: 'http', scheme: 'bearer', description: 'A token whose SHA-256 is in AUTH_TOKENS' },
  jwt: {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'A token that the issuer JWT_ISSUER has signed for JWT_AUDIENCE',
  },
} as const

/**
 * Adds the problem reply, which every call may send, to each route. A status that a route documents with
 * {@link ProblemSchema} or `problem()` gets the media type and an example of that status.
 */
function withProblems(schema: FastifySchema): FastifySchema {
  if (schema?.hide) return schema
  const named = Object.entries((schema?.response ?? {}) as Record<string, unknown>).map(
    ([status, response]) => [
      status,
      isProblem(response) ? problemResponse(Number(status), response[REPLY_DESCRIPTION]) : response,
    ],
  )
  const others = problemResponse(400, 'Any other error, as a problem of RFC 9457')
  return { ...schema, response: { ...Object.fromEntries(named), default: others } }
}

function isProblem(response: unknown): response is { readonly [REPLY_DESCRIPTION]?: string } {
  const { properties } = (response ?? {}) as { readonly properties?: unknown }
  return properties === ProblemSchema.properties
}

function problemResponse(status: number, description: string | undefined) {
  const title = STATUS_CODES[status] ?? 'Problem'
  const schema = status === 400 ? ProblemSchema : { ...ProblemSchema, examples: [exampleOf(status, title)] }
  return { description: description ?? title, content: { [PROBLEM_TYPE]: { schema } } }
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
