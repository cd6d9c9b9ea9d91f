import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { theProduction } from './production.ts'

const { production, docker } = theProduction()

/** The images that this repository builds. */
const SERVICES = ['reference-api', 'parallel-api', 'pgbouncer', 'backup']

/** Names of files that hold secrets or the history of the sources. */
const SECRET_NAME =
  /(^|\/)(\.env[^/]*|\.git|\.npmrc|\.netrc|\.docker|\.aws|\.ssh|id_[a-z0-9]+|secrets|[^/]+\.(key|p12|pfx|jks|kdbx))(\/|$)/
/** With the first line of its content: programs name the marker alone. */
const PRIVATE_KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----\r?\n[A-Za-z0-9+/=]{40}/g
/** Debian's package ssl-cert makes it in every image of Postgres; nothing uses it. */
const SNAKEOIL = 'etc/ssl/private/ssl-cert-snakeoil.key'

/** The secrets of this production, as they would stand in a layer. */
function secretsOf(folder: string): Map<string, string> {
  const files = readdirSync(folder).filter((name) => /password|token|identity|url$/.test(name))
  return new Map(files.map((name) => [name, readFileSync(join(folder, name), 'utf8').trim()]))
}

/** The layers of an image, unpacked from `docker save`: each is a tar archive. */
function layersOf(image: string, folder: string): string[] {
  const script = 'docker save "$0" | tar --extract --directory "$1"'
  const { status, stderr } = spawnSync('bash', ['-o', 'pipefail', '-c', script, image, folder], {
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(stderr)
  const [manifest] = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as { Layers: string[] }[]
  return (manifest?.Layers ?? [])
    .map((layer) => join(folder, layer))
    .filter((file) => statSync(file).size > 0)
}

/** Lines are `-rwsr-xr-x root/root 1234 2026-01-01 00:00 usr/bin/su`; folders are left out. */
function filesIn(layer: string): string[] {
  const { stdout } = spawnSync('tar', ['--list', '--verbose', '--file', layer], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  })
  return stdout.split('\n').flatMap((line) => {
    const [, mode = '', name = ''] = /^(\S+) \S+ +\S+ \S+ \S+ (.+?)(?: -> .*| link to .*)?$/.exec(line) ?? []
    return mode === '' || mode.startsWith('d') ? [] : [name]
  })
}

const { services } = JSON.parse(
  await production.compose(['--profile', 'restore', 'config', '--format', 'json']),
) as { services: Record<string, { image: string }> }

for (const service of SERVICES) {
  const image = services[service]?.image ?? ''
  t.test(`${service}: not root, and without secrets in any layer`, async (t) => {
    const user = await docker(['inspect', '--format', '{{.Config.User}}', image])
    t.notMatch(user, /^(0|root)?(:|$)/, `the user is ${user}`)
    const environment = await docker(['inspect', '--format', '{{json .Config.Env}}', image])
    t.notMatch(environment, /PASSWORD=|TOKEN=|SECRET=/)

    const secrets = secretsOf(production.state.folder)
    t.ok(secrets.size > 5)
    let files = 0
    for (const layer of layersOf(image, t.testdir())) {
      const names = filesIn(layer)
      files += names.length
      t.same(
        names.filter((name) => SECRET_NAME.test(name) && !/^(usr|etc)\/.*ssl\//.test(name)),
        [],
      )
      const content = readFileSync(layer, 'latin1')
      const snakeoil = names.filter((name) => name.endsWith(SNAKEOIL)).length
      t.equal(content.match(PRIVATE_KEY)?.length ?? 0, snakeoil, 'no private key')
      for (const [name, secret] of secrets) t.notOk(content.includes(secret), `${name} is not in a layer`)
    }
    t.ok(files > 1000, 'the layers were read')
  })

  t.test(`${service}: no file gains rights when it runs`, async (t) => {
    const script = 'find / -xdev -type f -perm /6000 2>/dev/null; true'
    const found = await docker([
      'run',
      '--rm',
      '--network',
      'none',
      '--user',
      '0',
      '--entrypoint',
      'bash',
      image,
      '-c',
      script,
    ])
    t.equal(found, '', 'no setuid, no setgid')
  })
}
