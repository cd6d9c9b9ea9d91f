import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../../', import.meta.url))

/**
 * Brings every table to the newest schema, the job queue's too, as a deployment does it: with the command of the service
 * that owns them. Fails with what the command said.
 */
export const migrateAll = async (url: string): Promise<void> => {
  const { PATH, HOME } = process.env
  const child = spawn(process.execPath, ['services/reference-api/src/commands/migrate.ts'], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'pipe'],
    // Nothing else of this environment: a DATABASE_DIRECT_URL of it would win.
    env: { PATH, HOME, DATABASE_URL: url },
  })
  let output = ''
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk
  })
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject).once('close', resolve)
  })
  if (code !== 0) throw new Error(`The migration ended with ${code}:\n${output}`)
}
