import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { seed } from '@reference/database'
import { migrateAll } from './migrate-all.ts'
import { canEnter, serverUser } from './server-user.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))

/**
 * Where `dev` and `start` keep their Postgres between runs: `.local-stack/postgres` of the clone. Undefined where the
 * user that Postgres runs as cannot get there (root, in a clone under a folder of mode 0700).
 */
export const keptDataDir = (): string | undefined =>
  canEnter(serverUser(), root) ? join(root, '.local-stack', 'postgres') : undefined

/** Brings the schema up to date and, where there are no rows yet, puts in the seed's default ones. */
export const prepareDatabase = async (url: string, say: (line: string) => void): Promise<void> => {
  await migrateAll(url)
  const { seeded, users, products, orders } = await seed({ url })
  const rows = `${users} users, ${products} products, ${orders} orders`
  say(seeded ? `migrated and seeded: ${rows}` : 'migrated; there are rows already, which stay')
}
