/** Generates the schemas of results from `report/`: `node bench/src/commands/write-schema.ts`. */
import { writeFileSync } from 'node:fs'
import { duetSchemaText, schemaText } from '../report/schema-texts.ts'

writeFileSync(new URL('../../results.schema.json', import.meta.url), schemaText())
writeFileSync(new URL('../../duet-results.schema.json', import.meta.url), duetSchemaText())
