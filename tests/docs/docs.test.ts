import { access, glob, readFile } from 'node:fs/promises'
import { basename, dirname, join, normalize, relative } from 'node:path'
import { scenarios as allScenarios } from '@reference/bench/scenarios'
import { settings } from '@reference/config'
import t from 'tap'

const root = join(import.meta.dirname, '../..')
const pages = async () => {
  const found: { path: string; text: string }[] = []
  for await (const path of glob('**/*.md', {
    cwd: root,
    exclude: (name) => name.includes('node_modules') || name.startsWith('.'),
  })) {
    found.push({ path, text: await readFile(join(root, path), 'utf8') })
  }
  return found.sort((a, b) => a.path.localeCompare(b.path))
}

t.test('every link to a file has a target', async (t) => {
  for (const { path, text } of await pages()) {
    for (const [, target = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      const [file = ''] = target.split('#')
      if (file === '' || /^[a-z]+:/.test(file)) continue
      const to = normalize(join(root, dirname(path), file))
      const there = await access(to).then(
        () => true,
        () => false,
      )
      t.ok(there, `${path} → ${relative(root, to)}`)
    }
  }
})

t.test('every pnpm script that a page names exists', async (t) => {
  const { scripts } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  const own = new Set(['exec', 'install', 'run', 'add'])
  for (const { path, text } of await pages()) {
    for (const [all, name = ''] of text.matchAll(/`(?:npx -y )?pnpm(?:@[\d.]+)? ([a-z][a-z:-]*)[^`]*`/g)) {
      t.ok(own.has(name) || name in scripts, `${path}: ${all}`)
    }
  }
})

t.test('the page on tunings names only benchmarks and switches that exist, and every switch', async (t) => {
  const text = await readFile(join(root, 'docs/TUNING.md'), 'utf8')
  const scenarios = new Set(allScenarios.map(({ name }) => name))
  const commands = new Set<string>()
  for await (const file of glob('bench/src/commands/*.ts', { cwd: root })) commands.add(basename(file, '.ts'))
  for (const [, names = ''] of text.matchAll(/`(?:pnpm )?bench ([a-z -]+)`/g)) {
    for (const name of names.split(' ')) {
      t.ok(scenarios.has(name) || commands.has(name), `bench ${name}`)
    }
  }
  for (const [name, setting] of Object.entries(settings)) {
    if ('tuning' in setting) t.ok(text.includes(`\`${name}\``), `a row for ${name}`)
  }
})
