import { AppError } from '@reference/errors'

/** The errors of this service. Violations of constraints become errors where the statement runs. */

export const notFound = (what: string) => new AppError('NOT_FOUND', 404, `There is no such ${what}`)

export const emailTaken = (cause: unknown) =>
  new AppError('EMAIL_TAKEN', 409, 'Another user has this email', {
    errors: [{ field: 'email', message: 'is taken' }],
    cause,
  })

export const userHasOrders = (cause: unknown) =>
  new AppError('USER_HAS_ORDERS', 409, 'A user with orders cannot be deleted', { cause })

/** An order refers to rows that do not exist. */
export const referenceMissing = (fields: readonly ('userId' | 'productId')[], cause?: unknown) =>
  new AppError('REFERENCE_ABSENT', 422, `Nothing exists with this ${fields.join(' and ')}`, {
    errors: fields.map((field) => ({ field, message: 'names nothing that exists' })),
    cause,
  })
