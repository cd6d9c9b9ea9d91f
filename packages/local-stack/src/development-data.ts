import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { canEnter, serverUser } from './server-user.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))

/**
 * Where `dev` and `start` keep their Postgres between runs: `.local-stack/postgres` of the clone. Undefined where the
 * user that Postgres runs as cannot get there (root, in a clone under a folder of mode 0700).
 */
export const keptDataDir = (): string | undefined =>
  canEnter(serverUser(), root) ? join(root, '.local-stack', 'postgres') : undefined

/** How many rows; the seed's own defaults unless given. */
export type Rows = { users: number; products: number; orders: number }

/**
 * Brings every table to the newest schema, the job queue's too, and puts in rows where there are none yet. As a
 * deployment does it: with the commands of the parts that own the tables, which this package therefore need not know.
 *
 * @param signal ends what runs
 * @returns what the seed said in its last line
 * @throws with what the command said, when one fails
 */
export const prepareDatabase = async (url: string, rows?: Rows, signal?: AbortSignal): Promise<string> => {
  await run(url, signal, 'services/reference-api/src/commands/migrate.ts')
  const counts = Object.entries(rows ?? {}).flatMap(([name, count]) => [`--${name}`, `${count}`])
  return run(url, signal, 'packages/shop/src/commands/seed.ts', ...counts)
}

const run = async (
  url: string,
  signal: AbortSignal | undefined,
  command: string,
  ...args: string[]
): Promise<string> => {
  const { PATH, HOME } = process.env
  const child = spawn(process.execPath, [command, ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    // Nothing else of this environment: a DATABASE_DIRECT_URL of it would win.
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
