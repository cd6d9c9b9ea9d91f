import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type PostgresServer, startPostgres } from '@reference/local-stack'

/** A durable Postgres for one test that can crash and start again with its data, at the same address. */
export async function restartablePostgres(t: { teardown(fn: () => unknown): unknown }) {
  const folder = await mkdtemp(join(tmpdir(), 'jobs-chaos-'))
  const dataDir = join(folder, 'data')
  // Postgres may run as another user, who must be able to enter the folder.
  await chmod(folder, 0o711)
  let server: PostgresServer = await startPostgres({ dataDir })
  const { port, databaseUrl } = server
  t.teardown(async () => {
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  })
  return {
    databaseUrl,
    /** Ends every process of the server without a checkpoint, and starts it again: it recovers from its write-ahead log. */
    async crash(): Promise<void> {
      process.kill(server.pid, 'SIGQUIT')
      await server.exited
      await server.stop()
      server = await startPostgres({ dataDir, port })
    },
  }
}
