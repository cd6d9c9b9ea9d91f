/** Generates `bench/results.schema.json` from `report/schema.ts`: `node bench/src/commands/write-schema.ts`. */
import { writeFileSync } from 'node:fs'
import { schemaText } from '../report/schema.ts'

writeFileSync(new URL('../../results.schema.json', import.meta.url), schemaText())
