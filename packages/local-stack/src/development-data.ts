import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { REPOSITORY_ROOT } from '@reference/cli'
import { canEnter, serverUser } from './server-user.ts'

/**
 * The data folder of `dev` and `start` between runs: `.local-stack/postgres` of the clone. Undefined if the user of Postgres
 * cannot enter it (root, in a clone under a folder of mode 0700).
 */
export const keptDataDir = (): string | undefined =>
  canEnter(serverUser(), REPOSITORY_ROOT) ? join(REPOSITORY_ROOT, '.local-stack', 'postgres') : undefined

/** Row counts; the defaults of the seed unless given. */
export interface Rows {
  users: number
  products: number
  orders: number
}

/** The folder that `pnpm db:generate` writes. */
export const MIGRATIONS_FOLDER = join(REPOSITORY_ROOT, 'packages', 'shop', 'migrations')

/**
 * Migrates every table by `pnpm db:migrate`.
 *
 * @param url as the owner of the tables
 * @param options as for `prepareDatabase`
 * @returns what the command printed: a line for each migration that it applied
 * @throws when the command fails, with its output
 */
export function migrateDatabase(url: string, { apiUrl, signal }: PrepareOptions = {}): Promise<string> {
  const roles =
    apiUrl === undefined ? { DATABASE_URL: url } : { DATABASE_URL: apiUrl, DATABASE_OWNER_URL: url }
  return run(roles, signal, 'services/reference-api/src/commands/migrate.ts')
}

interface PrepareOptions {
  /** The role of the services, which may then read and write rows. */
  readonly apiUrl?: string
  /** Ends the command that runs. */
  readonly signal?: AbortSignal | undefined
  /** Receives what the migration printed. */
  readonly onMigrated?: (lines: string) => void
}

/**
 * Migrates every table and seeds empty tables. Like a deployment it runs the commands of the packages
 * that own the tables, so this package need not know them.
 *
 * @param url as the owner of the tables
 * @returns the last line of the seed
 * @throws when a command fails, with its output
 */
export async function prepareDatabase(
  url: string,
  rows?: Rows,
  options: PrepareOptions = {},
): Promise<string> {
  const lines = await migrateDatabase(url, options)
  options.onMigrated?.(lines)
  const counts = Object.entries(rows ?? {}).flatMap(([name, count]) => [`--${name}`, `${count}`])
  return run({ DATABASE_URL: url }, options.signal, 'packages/shop/src/commands/seed.ts', ...counts)
}

async function run(
  urls: Record<string, string>,
  signal: AbortSignal | undefined,
  command: string,
  ...args: string[]
): Promise<string> {
  const { PATH, HOME } = process.env
  const child = spawn(process.execPath, [command, ...args], {
    cwd: REPOSITORY_ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    // Nothing else from this environment: its DATABASE_DIRECT_URL would take precedence.
    env: { PATH, HOME, ...urls },
    ...(signal && { signal }),
  })
  const output = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (chunk: string) => {
      output[name] += chunk
    })
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject).once('close', resolve)
  })
  if (code !== 0) throw new Error(`${command} ended with ${code}:\n${output.stderr}`)
  return output.stdout.trim()
}
