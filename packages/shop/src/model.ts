import { Type } from 'typebox'

/** Fields that several resources have. Times are ISO 8601 in UTC with milliseconds, money is in integer cents. */

export { Id } from '@reference/http/schemas'

export const CreatedAt = Type.String({ format: 'date-time', examples: ['2026-01-31T12:00:00.000Z'] })
export const cents = (example: number) => Type.Integer({ minimum: 0, examples: [example] })
