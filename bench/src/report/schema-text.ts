import { ResultsSchema } from './schema.ts'

/** The published JSON Schema, as it stands in `bench/results.schema.json`. */
export function schemaText(): string {
  return `${JSON.stringify(ResultsSchema, null, 2)}\n`
}
