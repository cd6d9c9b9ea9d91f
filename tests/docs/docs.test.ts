import { access, glob, readFile } from 'node:fs/promises'
import { basename, dirname, join, normalize, relative } from 'node:path'
import { scenarios as allScenarios } from '@reference/bench/scenarios'
import { fallbackOf, settings } from '@reference/config'
import { SERVICES } from '@reference/shop/services'
import t from 'tap'
import { anchorsOf } from './anchors.ts'

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

t.test('every link to a file has a target, and so has its anchor', async (t) => {
  const all = await pages()
  const anchors = new Map(all.map(({ path, text }) => [path, anchorsOf(text)]))
  for (const { path, text } of all) {
    for (const [, target = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue
      const [file = '', anchor] = target.split('#')
      const to = file === '' ? path : relative(root, normalize(join(root, dirname(path), file)))
      const there = await access(join(root, to)).then(
        () => true,
        () => false,
      )
      t.ok(there, `${path} → ${to}`)
      if (anchor !== undefined && to.endsWith('.md'))
        t.ok(anchors.get(to)?.has(anchor), `${path} → ${to}#${anchor}`)
    }
  }
})

t.test('every file that the threat model names exists, and each threat names a test', async (t) => {
  const text = await readFile(join(root, 'docs/THREAT-MODEL.md'), 'utf8')
  const files = [...text.matchAll(/`([\w.-]+(?:\/[\w.-]+)*\.(?:ts|yaml))`/g)].map(([, file = '']) => file)
  t.ok(files.length > 10)
  for (const file of files) await t.resolves(access(join(root, file)), file)
  const rows = text.split('\n').filter((line) => /^\| .* \|$/.test(line))
  const threats = rows.filter((row) => row.split(' | ').length === 3 && !/^\| (threat|actor) /.test(row))
  for (const row of threats.filter(
    (each) => !/^\| (caller|process|server in|Redis, |operator|thief of a disk)/.test(each),
  ))
    t.match(row, /`[^`]+\.(test\.ts|yaml)` \|$/, row)
})

t.test('every pnpm script that a page names exists', async (t) => {
  const { scripts } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  const own = new Set(['exec', 'install', 'run', 'add'])
  for (const { path, text } of await pages()) {
    // Its entries are about the commands of their time.
    if (path === 'CHANGELOG.md') continue
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

t.test('the page on limits names only settings that exist, with their defaults', async (t) => {
  const text = await readFile(join(root, 'docs/LIMITS.md'), 'utf8')
  const compose = await readFile(join(root, 'docker-compose.prod.yml'), 'utf8')
  const rows = [...text.matchAll(/^\| ([^|]+) \| ([^|]+) \| `([A-Z_]+)` \| [^|]+ \|$/gm)]
  t.ok(rows.length >= 12, `${rows.length} rows with a setting`)
  const [service] = Object.values(SERVICES)
  if (service === undefined) throw new Error('there is no service')
  for (const [, limit = '', value = '', name = ''] of rows) {
    if (name.startsWith('NGINX_')) {
      t.ok(compose.includes(`\${${name}:-${value}}`), `${limit}: ${name} is ${value}`)
      continue
    }
    const setting = settings[name as keyof typeof settings]
    t.ok(setting, `${limit}: ${name} exists`)
    const fallback = fallbackOf(setting, service)
    // A default that depends on the process has no figure.
    if (fallback === undefined) t.match(value, /^(?:off|heap \/ 8)$/, `${limit}: ${name}`)
    else t.equal(/^\d+/.exec(value)?.[0], String(fallback), `${limit}: ${name}`)
  }
})
