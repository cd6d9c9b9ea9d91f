import { accessSync, constants, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { REPOSITORY_ROOT } from '@reference/cli'
import t from 'tap'
import { parse } from 'yaml'

const read = (path: string) => readFileSync(join(REPOSITORY_ROOT, path), 'utf8')

interface Workflow {
  readonly permissions: unknown
  readonly jobs: Record<
    string,
    { readonly steps: readonly { readonly uses?: string; readonly run?: string }[] }
  >
}

const workflows = globSync('.github/workflows/*.yml', { cwd: REPOSITORY_ROOT }).map((path) => ({
  path,
  text: read(path),
  workflow: parse(read(path)) as Workflow,
}))

t.test('workflows pin their actions by hash, may only read, and call the scripts of .ci', async (t) => {
  t.ok(workflows.length > 0)
  for (const { path, text, workflow } of workflows) {
    t.same(workflow.permissions, { contents: 'read' }, `${path}: permissions`)
    const steps = Object.values(workflow.jobs).flatMap(({ steps }) => steps)
    for (const { uses } of steps) {
      if (uses !== undefined) t.match(uses, /^[\w-]+\/[\w-]+@[0-9a-f]{40}$/, `${path}: ${uses}`)
    }
    t.notMatch(text, /run:.*\$\{\{/, `${path}: no expression is part of a script`)
    const scripts = steps.flatMap(({ run = '' }) => run.match(/\.ci\/\w+/g) ?? [])
    t.ok(scripts.length > 0, `${path} calls a script of .ci`)
    for (const script of scripts) accessSync(join(REPOSITORY_ROOT, script), constants.X_OK)
  }
})

t.test('the version of Node is the same for every tool that reads one', async (t) => {
  const { devDependencies } = JSON.parse(read('package.json'))
  t.equal(read('.nvmrc').trim(), devDependencies.node)
  t.match(read('pnpm-workspace.yaml'), `nodeVersion: ${devDependencies.node}`)
})

t.test('editor profiles and the dev container name files and commands that exist', async (t) => {
  const { packageManager } = JSON.parse(read('package.json'))
  const { configurations } = JSON.parse(read('.vscode/launch.json')) as {
    configurations: { readonly program?: string; readonly command?: string }[]
  }
  for (const { program, command } of configurations) {
    if (program !== undefined) read(program.replace(`\${workspaceFolder}/`, ''))
    else t.match(command, `npx -y ${packageManager} `)
  }
  const { postCreateCommand } = JSON.parse(read('.devcontainer/devcontainer.json'))
  t.match(postCreateCommand, `npx -y ${packageManager} `)
})

t.test('the licence is the one that package.json names', async (t) => {
  t.equal(JSON.parse(read('package.json')).license, 'MIT')
  t.match(read('LICENSE'), /^MIT License/)
})

t.test('the badges of the README show the versions and the licence of package.json', async (t) => {
  const { devDependencies, license } = JSON.parse(read('package.json'))
  const badges = [
    ...read('README.md').matchAll(/\[!\[([^\]]+)\]\(https:\/\/[^)]+\/badge\/([^-]+)-([^-]+)-\w+\)\]/g),
  ]
  t.same(
    badges.map(([, text = '']) => text),
    [`Node ${devDependencies.node}`, `TypeScript ${devDependencies.typescript}`, `Licence ${license}`],
  )
  for (const [, text = '', subject, value] of badges)
    t.equal(`${subject} ${value}`.toLowerCase(), text.toLowerCase())
})
