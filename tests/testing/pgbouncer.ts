import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { freePort } from '@reference/local-stack'

const run = promisify(execFile)
const docker = async (...args: string[]) => (await run('docker', args)).stdout.trim()

const SETTINGS_FILE = fileURLToPath(new URL('../../infra/pgbouncer/pgbouncer.ini', import.meta.url))
const REPOSITORY = 'reference/pgbouncer'

/** The image that infra/pgbouncer/Dockerfile builds, or the reason why it cannot be used. */
export async function findPgBouncer(): Promise<{ image: string } | { missing: string }> {
  try {
    const [image] = (await docker('image', 'ls', '--format', '{{.Repository}}:{{.Tag}}', REPOSITORY)).split(
      '\n',
    )
    if (image) return { image }
    return {
      missing: `the image ${REPOSITORY} does not exist: docker build --tag ${REPOSITORY}:test infra/pgbouncer`,
    }
  } catch (error) {
    return { missing: `docker does not answer: ${error instanceof Error ? error.message : error}` }
  }
}

/**
 * Starts PgBouncer with infra's own file in front of a Postgres on this machine. Three settings differ: the port, two
 * connections to Postgres, and no password, since the roles that check it are created by the compose files.
 *
 * @returns the URL of the same database through PgBouncer, and its version
 */
export async function startPgBouncer(
  t: { teardown(fn: () => unknown): unknown },
  image: string,
  databaseUrl: string,
): Promise<{ url: string; version: string }> {
  const { hostname, port, username, password } = new URL(databaseUrl)
  const listenPort = await freePort()
  const settings = await settingsWith({
    listen_addr: '127.0.0.1',
    listen_port: `${listenPort}`,
    auth_type: 'any',
    auth_query: '',
    auth_user: '',
    default_pool_size: '2',
    min_pool_size: '0',
    reserve_pool_size: '0',
  })
  const databases = `[databases]\n* = host=${hostname} port=${port} user=${username} password=${password}\n`
  const script =
    'printf %s "$SETTINGS" >/run/pgbouncer/test.ini && : >/run/pgbouncer/userlist.txt && exec pgbouncer /run/pgbouncer/test.ini'
  const id = await docker(
    ...['run', '--detach', '--network', 'host', '--env', `SETTINGS=${databases}${settings}`],
    ...['--entrypoint', 'bash', image, '-c', script],
  )
  t.teardown(() => docker('rm', '--force', '--volumes', id))
  const version = /PgBouncer ([\d.]+)/.exec(await docker('exec', id, 'pgbouncer', '--version'))?.[1] ?? ''
  return { url: Object.assign(new URL(databaseUrl), { port: `${listenPort}` }).href, version }
}

/** Replaces values in the lines of the file: a second section of the same name would reset the other settings to their defaults. */
async function settingsWith(others: Record<string, string>): Promise<string> {
  const lines = (await readFile(SETTINGS_FILE, 'utf8')).split('\n')
  return lines
    .map((line) => {
      const name = /^(\w+) = /.exec(line)?.[1]
      const other = name === undefined ? undefined : others[name]
      return other === undefined ? line : `${name} = ${other}`
    })
    .join('\n')
}
