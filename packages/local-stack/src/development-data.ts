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

/**
 * Migrates every table, the job queue's too, and seeds empty tables. Like a deployment it runs the commands of the packages
 * that own the tables, so this package need not know them.
 *
 * @param signal ends the command that runs
 * @returns the last line of the seed
 * @throws when a command fails, with its output
 */
export async function prepareDatabase(url: string, rows?: Rows, signal?: AbortSignal): Promise<string> {
  await run(url, signal, 'services/reference-api/src/commands/migrate.ts')
  const counts = Object.entries(rows ?? {}).flatMap(([name, count]) => [`--${name}`, `${count}`])
  return run(url, signal, 'packages/shop/src/commands/seed.ts', ...counts)
}

async function run(
  url: string,
  signal: AbortSignal | undefined,
  command: string,
  ...args: string[]
): Promise<string> {
  const { PATH, HOME } = process.env
  const child = spawn(process.execPath, [command, ...args], {
    cwd: REPOSITORY_ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    // Nothing else from this environment: its DATABASE_DIRECT_URL would take precedence.
    env: { PATH, HOME, DATABASE_URL: url },
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
