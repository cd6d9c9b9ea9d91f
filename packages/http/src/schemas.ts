import { type TSchema, Type } from 'typebox'

/** The largest id that fits Postgres' `integer`. */
export const MAX_ID = 2_147_483_647

/** The id of a row. */
export const Id = Type.Integer({ minimum: 1, maximum: MAX_ID, examples: [42] })

/** The path parameter of calls for one row. */
export const IdParams = Type.Object({ id: Id }, { additionalProperties: false })

/** The body of every error reply (RFC 9457). */
export const ProblemSchema = Type.Object(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.Optional(Type.String()),
    instance: Type.Optional(Type.String()),
    code: Type.String({ description: 'A stable name for programs' }),
    requestId: Type.String(),
    errors: Type.Optional(Type.Array(Type.Object({ field: Type.String(), message: Type.String() }))),
  },
  {
    examples: [
      {
        type: 'about:blank',
        title: 'Bad Request',
        status: 400,
        detail: 'limit must be <= 500',
        instance: '/users',
        code: 'VALIDATION',
        requestId: '5f0c2a9be1d3-4k',
        errors: [{ field: 'limit', message: 'must be <= 500' }],
      },
    ],
  },
)

/** The keyword under which a schema keeps the description of its reply, apart from that of its value. */
export const REPLY_DESCRIPTION = 'x-response-description'

/** The schema of a reply, with the meaning of the reply for readers of the OpenAPI document. */
export function described<T extends TSchema>(description: string, schema: T): T {
  return { ...schema, [REPLY_DESCRIPTION]: description }
}

/** The schema of an error reply, with the cause of the error for readers of the OpenAPI document. */
export function problem(description: string): typeof ProblemSchema {
  return described(description, ProblemSchema)
}
