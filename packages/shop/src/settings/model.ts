import { type Static, Type } from 'typebox'

/** A setting that the application reads while it runs. */
export const Setting = Type.Object(
  {
    key: Type.String(),
    value: Type.Unknown({ description: 'Any JSON' }),
    updatedAt: Type.String({ format: 'date-time' }),
  },
  { additionalProperties: false },
)
export type Setting = Static<typeof Setting>
