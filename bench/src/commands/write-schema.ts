/** Writes `bench/results.schema.json` from the types in `schema.ts`: `node bench/src/commands/write-schema.ts`. */
import { writeFileSync } from 'node:fs'
import { schemaText } from '../report/schema-text.ts'

writeFileSync(new URL('../../results.schema.json', import.meta.url), schemaText())
