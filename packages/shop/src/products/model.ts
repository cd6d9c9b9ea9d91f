import { type Static, Type } from 'typebox'
import { cents, Id } from '../model.ts'

/** A product as both services show it. */
export const Product = Type.Object(
  {
    id: Id,
    name: Type.String({ examples: ['Lamp'] }),
    category: Type.String({ examples: ['home'] }),
    priceCents: cents(1990),
  },
  { additionalProperties: false },
)
export type Product = Static<typeof Product>
