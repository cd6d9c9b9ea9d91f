import { globSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { action, CommandError, REPOSITORY_ROOT, runCommand } from '@reference/cli'

/** Deleted as a whole. */
const PATHS = [
  'packages/systems',
  'packages/config/src/systems-settings.ts',
  'tests/systems',
  'infra/vault',
] as const

type Edit = readonly [found: RegExp, replacement: string]

/** Containers of docker-compose.yml and their volumes. */
const CONTAINERS = ['mysql', 'mongodb', 'rabbitmq', 'vault', 'vault-setup']

/** Edits by file. Each edit has to find its text in at least one of the files, or the list is out of date. */
const EDITS: readonly { readonly files: string; readonly edits: readonly Edit[] }[] = [
  {
    files: '{services/*,packages/local-stack,tests,tools}/package.json',
    edits: [[/\n.*"@reference\/systems": "workspace:\*",?/g, '']],
  },
  {
    files: '{services/*,packages/local-stack}/src/**/*.ts',
    edits: [
      [/^import .*'@reference\/systems'\n/gm, ''],
      [/await withVaultSecretsOrExit\(\)/g, 'process.env'],
      [/await withVaultSecretsOrExit\((\w+\(\))\)/g, '$1'],
      [/\n.*createSystems\(systemSettings\(.*\)\)/g, ''],
      [/,\s*\.\.\.systems\.dependencies/g, ''],
      [/, systems\.close\(\)/g, ''],
    ],
  },
  {
    files: 'packages/config/src/settings.ts',
    edits: [
      [/^import .*systems-settings.*\n/gm, ''],
      [/ {2}\.\.\.systemsSettings,\n\n/g, ''],
    ],
  },
  {
    files: 'packages/config/src/misspelt.test.ts',
    edits: [[/^.*'MONGODB_URL'\],\n/gm, '']],
  },
  {
    files: 'tools/ops/main.ts',
    edits: [[/^ {4}(mysql|mongodb): \{\n[\s\S]*?\n {4}\},\n/gm, '']],
  },
  {
    files: 'docker-compose.yml',
    edits: [
      [/^.*--profile systems.*\n/gm, ''],
      [/^.*packages\/systems\/src.*\n/gm, ''],
      [/^ {2}(# .*\n)?.*STACK_(MYSQL|MONGODB|RABBITMQ|VAULT).*\n/gm, ''],
      [/^.*vault-setup: \{ condition.*\n/gm, ''],
      // A service is a key at two spaces, with its comment, down to the next blank line.
      [new RegExp(`^( {2}#.*\\n)* {2}(${CONTAINERS.join('|')}):\\n( {4}.*\\n)+\\n`, 'gm'), ''],
      [/^ {2}(mysql|mongodb|mongodb-config|rabbitmq|vault-approle):\n/gm, ''],
    ],
  },
  {
    files: 'infra/all.env',
    edits: [
      [/=systems,/g, '='],
      [/,observability-mysql/g, ''],
      [/^STACK_.*\n/gm, ''],
    ],
  },
  { files: 'tools/check/layers.ts', edits: [[/'packages\/systems'/g, '']] },
]

const DETAILS = `
Deletes ${PATHS.join(', ')},
and what refers to them in services, settings, commands and docker-compose.yml. Type \`pnpm install\` and \`pnpm generate\`
after it. What stays, without effect: sizes and server files in infra/, their alerts, and paragraphs in docs/.
`

await runCommand(
  'node packages/systems/src/commands/remove.ts',
  action({
    summary: 'Remove MySQL, MongoDB, RabbitMQ and Vault from this repository.',
    details: DETAILS,
    run() {
      for (const { files, edits } of EDITS) edit(files, edits)
      for (const path of PATHS) rmSync(join(REPOSITORY_ROOT, path), { recursive: true, force: true })
      process.stdout.write('Removed. Now: pnpm install && pnpm generate && pnpm check\n')
    },
  }),
)

function edit(pattern: string, edits: readonly Edit[]): void {
  const paths = globSync(pattern, { cwd: REPOSITORY_ROOT, exclude: (name) => name.includes('node_modules') })
  const texts = new Map(paths.map((path) => [path, readFileSync(join(REPOSITORY_ROOT, path), 'utf8')]))
  for (const [found, replacement] of edits) {
    const changed = [...texts].filter(([, text]) => text.search(found) >= 0)
    if (changed.length === 0) throw new CommandError(`${pattern} contains nothing like ${found}`)
    for (const [path, text] of changed) texts.set(path, text.replace(found, replacement))
  }
  for (const [path, text] of texts) {
    const file = join(REPOSITORY_ROOT, path)
    const valid = path.endsWith('.json') ? text.replaceAll(/,(\s*\})/g, '$1') : text
    if (readFileSync(file, 'utf8') !== valid) writeFileSync(file, valid)
  }
}
