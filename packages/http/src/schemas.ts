import { Type } from 'typebox'

/** The largest id that fits Postgres' `integer`. */
export const MAX_ID = 2_147_483_647

/** A row's id. */
export const Id = Type.Integer({ minimum: 1, maximum: MAX_ID, examples: [42] })

/** The path parameter of calls on one row. */
export const IdParams = Type.Object({ id: Id }, { additionalProperties: false })

/** How many rows: 1–500 unless told, 50 when absent. */
export const limit = (options: { maximum?: number; default?: number } = {}) =>
  Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: options.maximum ?? 500,
      default: options.default ?? 50,
      description: 'How many rows',
    }),
  )

/** The `limit` of lists. */
export const Limit = limit()

/** Where a list goes on: `next` of the page before. */
export const Cursor = Type.Optional(
  Type.String({ minLength: 1, maxLength: 200, description: '`next` of the page before' }),
)

/** The query of a list without filters. */
export const PageQuery = Type.Object({ limit: Limit, after: Cursor }, { additionalProperties: false })

/** One page of rows; `next` is null on the last one. */
export const page = <T extends Parameters<typeof Type.Array>[0]>(item: T) =>
  Type.Object({
    items: Type.Array(item),
    next: Type.Union([Type.String(), Type.Null()], { description: '`after` of the next page' }),
  })

/** Any error's body (RFC 9457). */
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
