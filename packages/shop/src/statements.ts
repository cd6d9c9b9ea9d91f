import { queries, type Statement, statementsOf } from '@reference/database'
import * as report from './report/queries.ts'
import * as resources from './resources.ts'

/** Every statement that the services send by name, those of the platform's tables too. `ops postgres explain` runs each with its sample. */
export const STATEMENTS: readonly Statement<object, unknown>[] = statementsOf(
  ...Object.values(resources),
  report,
  queries,
)
