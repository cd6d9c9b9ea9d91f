import { problem } from '@reference/http'

/** The errors of this service. Violations of constraints become errors where the statement runs. */

export const notFound = (what: string) => problem(404, 'NOT_FOUND', `There is no such ${what}`)

export const emailTaken = (cause: unknown) =>
  problem(409, 'EMAIL_TAKEN', 'Another user has this email', {
    errors: [{ field: 'email', message: 'is taken' }],
    cause,
  })

export const userHasOrders = (cause: unknown) =>
  problem(409, 'USER_HAS_ORDERS', 'A user with orders cannot be deleted', { cause })

/** An order refers to rows that do not exist. */
export const referenceMissing = (fields: readonly ('userId' | 'productId')[], cause?: unknown) =>
  problem(422, 'REFERENCE_ABSENT', `Nothing exists with this ${fields.join(' and ')}`, {
    errors: fields.map((field) => ({ field, message: 'names nothing that exists' })),
    cause,
  })
