import { createDatabase, type Database, type DatabaseOptions } from '@reference/database'
import { type TestScope, testDatabase } from '@reference/local-stack'
import { POOLS } from '../pools.ts'

export interface Opened {
  readonly database: Database
  readonly url: string
  readonly superuserUrl: string
}

/** A seeded database of the test's own and the pools on it. Both end with the test. */
export async function open(t: TestScope, options: Partial<DatabaseOptions> = {}): Promise<Opened> {
  const { url, superuserUrl } = await testDatabase(t)
  return { database: openOn(t, { url, ...options }), url, superuserUrl }
}

export function openOn(t: TestScope, options: Partial<DatabaseOptions> & { url: string }): Database {
  const database = createDatabase({
    poolSizes: POOLS['reference-api'],
    applicationName: 'test',
    ...options,
  })
  t.teardown(() => database.close())
  return database
}
