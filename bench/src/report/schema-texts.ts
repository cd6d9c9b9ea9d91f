import { DUET_SCHEMA } from './duet-schema.ts'
import { RESULTS_SCHEMA } from './schema.ts'

/** The text of `bench/results.schema.json`. */
export function schemaText(): string {
  return `${JSON.stringify(RESULTS_SCHEMA, null, 2)}\n`
}

/** The text of `bench/duet-results.schema.json`. */
export function duetSchemaText(): string {
  return `${JSON.stringify(DUET_SCHEMA, null, 2)}\n`
}
