import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { action, CommandError, REPOSITORY_ROOT, text, texts, UsageError } from '@reference/cli'
import { formatFiles } from './format-files.ts'
import { type Names, renameTree, TEMPLATE } from './rename.ts'
import { Tree } from './tree.ts'

const DETAILS = `
  pnpm template rename @acme --service reference-api=shop-api --service parallel-api=reports-api --database shop

What is renamed, in files and in their names: the scope of the packages; the services with their folders, images, containers,
upstreams of nginx, Kubernetes objects, jobs of Prometheus and panels of Grafana; the compose projects, the Kubernetes namespace and
the diagnostics channels, which get the name of the project; the Postgres database, its owner, and the other roles, whose names
begin with it. The word in another sense stays: --reference=, REFERENCES, references(), pages of manuals.
Redis keys contain the identity of the database and no name. CHANGELOG.md, LICENSE and the recorded benchmarks stay as they are.

Commit before it. After it: pnpm install, pnpm generate, pnpm check, and commit. A clone is renamed once.`

export const renameCommand = action({
  summary: 'Give the packages, services, images, databases and documents your names.',
  positionals: { placeholder: '@SCOPE', help: 'scope of the packages', minimum: 1, maximum: 1 },
  options: {
    service: texts({ placeholder: 'OLD=NEW', help: 'new name of a service; may be repeated' }),
    database: text({
      placeholder: 'NAME',
      help: 'the Postgres database, its owner and the prefix of the roles',
    }),
    project: text({
      placeholder: 'NAME',
      help: 'compose projects, images and namespace; the scope unless given',
    }),
  },
  details: DETAILS,
  run({ service, database, project }, [scope = '']) {
    if (!isTemplate()) throw new CommandError('This clone has names of its own: a clone is renamed once')
    const names = namesOf(scope, service, database, project)
    const tree = new Tree(REPOSITORY_ROOT)
    const changed = renameTree(tree, names)
    // With the installed packages in them.
    for (const [from, to] of names.services) tree.moveFolder(`services/${from}`, `services/${to}`)
    tree.flush()
    formatFiles(changed)
    process.stdout.write(
      `${changed.length} files were changed. Now: pnpm install && pnpm generate && pnpm check\n`,
    )
    return undefined
  },
})

function isTemplate(): boolean {
  const { name } = JSON.parse(readFileSync(join(REPOSITORY_ROOT, 'tools/package.json'), 'utf8'))
  return name.startsWith(`${TEMPLATE.scope}/`)
}

function namesOf(
  scope: string,
  services: readonly string[],
  database: string = TEMPLATE.word,
  project: string = scope.slice(1),
): Names {
  check('The scope', scope, /^@[a-z][a-z0-9-]{0,30}$/, '@ and lower-case letters, digits and dashes')
  // Names in Postgres have at most 63 bytes; the longest that begins with this one is `…_replica`.
  check('--database', database, /^[a-z][a-z0-9_]{0,40}$/, 'lower-case letters, digits and underscores')
  check('--project', project, /^[a-z][a-z0-9-]{0,30}$/, 'lower-case letters, digits and dashes')
  const renamed = new Map(services.map(serviceOf))
  const left = folders().filter((name) => !renamed.has(name))
  const all = [...left, ...renamed.values()]
  if (new Set(all).size < all.length) throw new UsageError('Two services would have the same name')
  return { scope, project, database, services: renamed }
}

function serviceOf(given: string): [from: string, to: string] {
  const [from = '', to = '', ...rest] = given.split('=')
  if (rest.length > 0 || !folders().includes(from))
    throw new UsageError(
      `--service takes OLD=NEW, where OLD is one of ${folders().join(', ')}; got '${given}'`,
    )
  // Names of Kubernetes objects have at most 63 characters; a pod's is longer by 17.
  check('--service', to, /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/, 'lower-case words with dashes between them')
  if (to.length > 40) throw new UsageError(`A service's name has at most 40 characters, got '${to}'`)
  return [from, to]
}

function folders(): string[] {
  return readdirSync(join(REPOSITORY_ROOT, 'services')).sort()
}

function check(subject: string, given: string, allowed: RegExp, wanted: string): void {
  if (!allowed.test(given)) throw new UsageError(`${subject} takes ${wanted}, got '${given}'`)
}
