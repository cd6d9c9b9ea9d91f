import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { REPOSITORY_ROOT } from '@reference/cli'
import { hasPart, PARTS, Tree } from '@reference/tools/template'
import t, { type Test } from 'tap'
import { type Clone, cloneAt, cloneRepository, must } from './clone.ts'

/**
 * The parts without each of which a clone runs its checks and tests: TEMPLATE_PARTS=all, or a list of names. CI follows the page
 * docs/MAKE-IT-YOURS.md: a rename, and a removal of one part.
 */
const CHOSEN = process.env.TEMPLATE_PARTS
const PRESENT = PARTS.filter((part) => hasPart(new Tree(REPOSITORY_ROOT), part)).map(({ name }) => name)
const EACH = CHOSEN === 'all' ? PRESENT : (CHOSEN?.split(/[\s,]+/) ?? [])
const PAGE = readFileSync(join(REPOSITORY_ROOT, 'docs/MAKE-IT-YOURS.md'), 'utf8')
const isTemplate = nameOf(REPOSITORY_ROOT, 'tools').startsWith('@reference/') && PRESENT.includes('systems')
const skip = !isTemplate && 'the commands of the page are for the template as it was cloned'
const skipLong = skip || (CHOSEN === undefined && 'set TEMPLATE_PARTS')

t.setTimeout(CHOSEN === undefined ? 300_000 : 14_400_000)

function nameOf(root: string, folder: string): string {
  return JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')).name
}

/** The commands of a section of the page, block by block. */
function commandsOf(title: string): string[] {
  const section = PAGE.split(/^## /m).find((text) => text.startsWith(title)) ?? ''
  return [...section.matchAll(/^```sh\n(.*?)^```$/gms)]
    .map(([, lines = '']) => lines)
    .filter((lines) => !/^# part:/.test(lines))
}

async function succeeds(
  t: Test,
  clone: Clone,
  lines: string,
  env: Record<string, string> = {},
): Promise<string> {
  const { code, output } = await clone.shell(lines, env)
  t.equal(code, 0, lines, { output })
  return output
}

t.test('the page’s rename and removal give a clone that passes pnpm check', { skip }, async (t) => {
  const clone = await cloneRepository(t)
  const outputs: string[] = []
  for (const lines of [...commandsOf('Rename it'), ...commandsOf('Remove a part')])
    outputs.push(await succeeds(t, clone, lines))
  const [, files] = /^systems +(\d+) /m.exec(outputs.join('\n')) ?? []
  const deleted = await must(clone, 'git show --name-only --diff-filter=D --format= HEAD')
  t.equal(deleted.trim().split('\n').length, Number(files), 'the list counts what a removal does')
  t.equal(nameOf(clone.folder, 'services/shop-api'), '@acme/shop-api')
  for (const gone of ['services/reference-api', 'packages/systems'])
    t.notOk(existsSync(join(clone.folder, gone)), gone)
  const left = await clone.run('git', [
    'grep',
    '-nE',
    '@reference/|reference-api',
    '--',
    '*.json',
    '*.yml',
    '*.yaml',
    '*.conf',
  ])
  const names = left.output.split('\n').filter((line) => !line.startsWith('bench/baselines/') && line !== '')
  t.same(names, [], 'no manifest has the old names')
  t.match(await clone.shell('pnpm template rename @other'), { code: 1, output: /renamed once/ })
  for (const service of ['shop-api', 'parallel-api']) {
    const start = await clone.run('env', ['PORT=none', 'node', `services/${service}/src/main.ts`])
    t.match(
      start,
      { code: 78, output: /DATABASE_URL/ },
      `${service} loads its modules and reads its settings`,
    )
  }
})

t.test(
  'a part that was removed by hand is found by pnpm check names',
  { skip: PRESENT.length === 0 && 'no part is left' },
  async (t) => {
    const clone = await cloneRepository(t)
    const [name = ''] = PRESENT
    const [folder = ''] = PARTS.find((part) => part.name === name)?.paths ?? []
    await must(clone, `git rm -r --quiet ${folder}`)
    const { code, output } = await clone.shell('pnpm check names')
    t.equal(code, 1)
    t.match(output, `names the part ${name}, which is removed`)
    t.match(output, `is left of the part ${name}`)
    await succeeds(t, clone, `pnpm template remove ${name}`)
    const left = await clone.shell('pnpm check names')
    const files = left.output.split('\n').flatMap((line) => /^([^ :]+):\d+: /.exec(line)?.[1] ?? [])
    t.same([...new Set(files)], ['.env.example'], 'the rest is gone, except from what pnpm generate writes')
  },
)

t.test(
  'a later version of the template is merged under the names of the clone',
  { skip: skipLong },
  async (t) => {
    const upstream = await cloneRepository(t)
    const team = cloneAt(join(upstream.folder, '../team'))
    await must(upstream, 'git clone --quiet . ../team')
    const env = { TEMPLATE: upstream.folder }
    const [keep = '', take = ''] = commandsOf('Take a later version')
    for (const lines of ['pnpm install', ...commandsOf('Rename it'), ...commandsOf('Remove a part'), keep])
      await succeeds(t, team, lines, env)
    change(team, 'services/shop-api/src/introduction.ts', /of the log lines/, 'of our log lines')
    await must(team, 'git commit --quiet --all --message Own')

    change(upstream, 'services/reference-api/src/introduction.ts', /description: `/, '$&Later. ')
    change(upstream, 'infra/kubernetes/base/reference-api.yaml', /^/, '# Of the later reference-api.\n')
    await must(upstream, 'git commit --quiet --all --message Later')

    const output = await succeeds(t, team, take, env)
    t.notMatch(output, /conflict/i)
    const introduction = readFileSync(join(team.folder, 'services/shop-api/src/introduction.ts'), 'utf8')
    t.match(introduction, 'of our log lines')
    t.match(introduction, 'Later. ')
    const manifest = readFileSync(join(team.folder, 'infra/kubernetes/base/shop-api.yaml'), 'utf8')
    t.match(manifest, /^# Of the later shop-api\.$/m)
    t.notOk(existsSync(join(team.folder, 'packages/systems')), 'what was removed does not come back')
  },
)

function change({ folder }: Clone, path: string, found: RegExp, replacement: string): void {
  const text = readFileSync(join(folder, path), 'utf8')
  const changed = text.replace(found, replacement)
  if (changed === text) throw new Error(`${path} contains nothing like ${found}`)
  writeFileSync(join(folder, path), changed)
}

for (const removed of [...EACH.map((name) => [name]), ...(CHOSEN === 'all' ? [PRESENT] : [])]) {
  t.test(`without ${removed.join(', ')} the checks and tests pass`, async (t) => {
    const clone = await cloneRepository(t)
    await succeeds(t, clone, `pnpm template remove ${removed.join(' ')} && pnpm generate && pnpm check`)
    const output = await succeeds(t, clone, 'pnpm test')
    t.match(output, /^[1-9]\d* passed, 0 failed$/m)
  })
}
