import { type Static, Type } from 'typebox'
import { CreatedAt, Id } from '../model.ts'

export const Email = Type.String({
  maxLength: 320,
  pattern: '^[^@\\s]+@[^@\\s]+$',
  examples: ['ada@example.com'],
})
export const PersonName = Type.String({ minLength: 1, maxLength: 200, examples: ['Ada Lovelace'] })

/** A user as both services show it. */
export const User = Type.Object(
  { id: Id, email: Email, name: PersonName, createdAt: CreatedAt },
  { additionalProperties: false },
)
export type User = Static<typeof User>
