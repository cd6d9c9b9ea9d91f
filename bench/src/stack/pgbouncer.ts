import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createSemaphore } from '@reference/async'
import { freePort } from '@reference/local-stack'
import postgres from 'postgres'
import { BenchError } from '../errors.ts'
import { makeImage, startContainer, untilReady, writeSharedFiles } from './docker.ts'
import type { Sidecar, SidecarKind } from './sidecar.ts'
import { databaseName, inDatabase } from './stack.ts'

const IMAGE = 'reference/pgbouncer:bench'
const CONTEXT = fileURLToPath(new URL('../../../infra/pgbouncer', import.meta.url))

/** Of the role that PgBouncer looks up passwords with: the same for all that are alive at once, since they share a Postgres. */
const PASSWORD = randomBytes(18).toString('base64url')

/** Roles belong to the whole server, and Postgres refuses two changes of one at the same time. */
const oneAtATime = createSemaphore(1)

/** PgBouncer with the image and the file of `infra/` and this run's addresses. */
export const PGBOUNCER: SidecarKind = {
  name: 'PgBouncer',
  prepare: (signal) => makeImage(IMAGE, ['build', '--quiet', '--tag', IMAGE, CONTEXT], signal),
  async start({ behind, stack, cores, folder, signal }): Promise<Sidecar> {
    await oneAtATime.run(() => createAuthQuery(inDatabase(stack.superuserUrl, databaseName(behind))))
    const port = await freePort()
    const shipped = readFileSync(join(CONTEXT, 'pgbouncer.ini'), 'utf8')
    const files = writeSharedFiles(mkdtempSync(join(folder, 'pgbouncer-')), {
      'databases.ini': `[databases]\n${databaseName(behind)} = host=127.0.0.1 port=${new URL(behind).port}\n`,
      'pgbouncer.ini': withSettings(shipped, { listen_addr: '127.0.0.1', listen_port: String(port) }),
      pgbouncer_password: PASSWORD,
      pgbouncer_stats_password: PASSWORD,
    })
    const container = startContainer({
      image: IMAGE,
      mounts: [
        [files, '/bench'],
        [join(files, 'pgbouncer.ini'), '/etc/pgbouncer/pgbouncer.ini'],
        [join(files, 'databases.ini'), '/etc/pgbouncer/databases.ini'],
      ],
      environment: { PGBOUNCER_SECRETS: '/bench' },
      cores,
    })
    const adminConsole = postgres(`postgres://pgbouncer_stats:${PASSWORD}@127.0.0.1:${port}/pgbouncer`, {
      max: 1,
      fetch_types: false,
      onnotice: () => {},
    })
    const counters = async () =>
      countsOf(await adminConsole.unsafe('SHOW STATS').simple(), databaseName(behind))
    const stop = async () => {
      await adminConsole.end({ timeout: 1 })
      await container.stop()
    }
    try {
      await untilReady(container, counters, signal)
    } catch (error) {
      await stop()
      throw error
    }
    const through = new URL(behind)
    through.host = `127.0.0.1:${port}`
    return { url: through.href, container: container.name, pid: container.pid, counters, stop }
  },
}

/** Changes lines of the file. A second section of the same name would reset all others to their defaults. */
function withSettings(ini: string, changes: Readonly<Record<string, string>>): string {
  return Object.entries(changes).reduce((text, [name, value]) => {
    const line = new RegExp(`^${name} = .*$`, 'm')
    if (!line.test(text)) throw new BenchError('CONTAINER_FAILED', `pgbouncer.ini has no ${name}`)
    return text.replace(line, `${name} = ${value}`)
  }, ini)
}

function countsOf(rows: readonly Record<string, unknown>[], database: string): Record<string, number> {
  const row = rows.find((candidate) => candidate.database === database)
  const count = (name: string) => Number(row?.[name] ?? 0)
  return {
    transactions: count('total_xact_count'),
    parsed: count('total_server_parse_count'),
    bound: count('total_bind_count'),
  }
}

/** Creates the role and the function for PgBouncer's `auth_query`, as in a deployment. */
async function createAuthQuery(url: string): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  try {
    await sql.unsafe(`
      DO $$ BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'pgbouncer') THEN CREATE ROLE pgbouncer LOGIN; END IF;
      END $$;
      ALTER ROLE pgbouncer PASSWORD '${PASSWORD}';
      CREATE SCHEMA IF NOT EXISTS pgbouncer;
      GRANT USAGE ON SCHEMA pgbouncer TO pgbouncer;
      CREATE OR REPLACE FUNCTION pgbouncer.get_auth(name text, OUT usename text, OUT passwd text)
        LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog
        AS 'SELECT rolname::text, rolpassword FROM pg_authid WHERE rolname = name AND NOT rolsuper AND rolcanlogin';
      REVOKE ALL ON FUNCTION pgbouncer.get_auth(text) FROM PUBLIC;
      GRANT EXECUTE ON FUNCTION pgbouncer.get_auth(text) TO pgbouncer;`)
  } finally {
    await sql.end({ timeout: 1 })
  }
}
