import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { REPOSITORY_ROOT } from '@reference/cli'
import t from 'tap'
import { parse } from 'yaml'
import { copyRepository } from '../testing/repository-copy.ts'

// Compiling everything takes 10 s, and several times that on a busy machine.
t.setTimeout(300_000)

const PAGE = readFileSync(join(REPOSITORY_ROOT, 'docs/ADD-A-RESOURCE.md'), 'utf8')

t.test('a resource is added by the steps of docs/ADD-A-RESOURCE.md', async (t) => {
  const copy = copyRepository(t.testdir({}))
  const before = migrations(copy.folder)
  for (const step of steps(PAGE)) {
    const path = join(copy.folder, step.path)
    if (step.kind === 'diff') {
      writeFileSync(path, applied(readFileSync(path, 'utf8'), step.text))
      continue
    }
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, step.text)
  }

  for (const [title, section] of sections(PAGE)) {
    const row = rowOf(title, steps(section))
    if (row !== undefined) t.match(PAGE, row, 'the table states the number of files')
  }
  t.match(PAGE, '\npnpm db:generate --name reviews\n')
  t.match(await copy.script('db:generate', '--name', 'reviews'), { code: 0 })
  const added = migrations(copy.folder).filter((path) => !before.includes(path))
  t.match(added, [/_reviews\.sql$/])
  const sql = readFileSync(join(copy.folder, added[0] ?? ''), 'utf8')
  t.match(sql, 'CREATE TABLE "reviews"')
  t.notMatch(sql, /DROP|ALTER TABLE "(?!reviews")/, 'nothing else changes')

  // part:kubernetes
  const ingress = parse(readFileSync(join(copy.folder, 'infra/kubernetes/base/ingress.yaml'), 'utf8'))
  const { paths } = ingress.spec.rules[0].http
  t.match(
    paths.find(({ path }: { path: string }) => path === '/reviews'),
    { pathType: 'Prefix', backend: { service: { name: 'reference-api' } } },
    'the Ingress leads to the service',
  )
  // end:kubernetes

  const check = await copy.script('check', 'types', 'imports')
  t.equal(check.code, 0, 'everything compiles', { output: check.output })
  const tests = await copy.script(
    'test',
    'services/reference-api/src/routes/reviews.test.ts',
    'services/reference-api/src/routes/review-summaries.test.ts', // part:jobs
    'packages/shop/src/statements.test.ts',
    'packages/shop/src/seed.test.ts',
  )
  t.equal(tests.code, 0, 'the tests pass', { output: tests.output })
  t.match(tests.output, /^[1-9]\d* passed, 0 failed$/m)
})

/** The sections with a number, by their titles. */
function sections(markdown: string): (readonly [title: string, text: string])[] {
  return markdown
    .split(/^## /m)
    .filter((text) => /^\d/.test(text))
    .map((text) => [text.slice(0, text.indexOf('\n')), text])
}

/** The row of the table about the files that a section touches; undefined for one without a file. */
function rowOf(title: string, all: readonly Step[]): string | undefined {
  const changes = all.filter(({ kind }) => kind === 'diff')
  const lines = changes.flatMap(({ text }) => text.split('\n').filter((line) => line.startsWith('+')))
  const files = new Set(changes.map(({ path }) => path))
  const inExisting = files.size === 0 ? 'none' : `${lines.length} in ${files.size}`
  return all.length === 0 ? undefined : `\n| ${title} | ${all.length - changes.length} | ${inExisting} |`
}

function migrations(folder: string): string[] {
  return globSync('packages/shop/migrations/*.sql', { cwd: folder }).sort()
}

interface Step {
  readonly kind: 'file' | 'diff'
  readonly path: string
  readonly text: string
}

/** The code blocks that name a file: its whole content, or a change of it. */
function steps(markdown: string): Step[] {
  const blocks = markdown.matchAll(/^```(\w+) file=(\S+)\n(.*?)^```$/gms)
  return [...blocks].map(([, language, path = '', text = '']) => ({
    kind: language === 'diff' ? 'diff' : 'file',
    path,
    text,
  }))
}

/** Applies a change without line numbers: its lines with ` ` and `-` must stand at exactly one place. */
function applied(text: string, diff: string): string {
  const lines = diff.split('\n').slice(0, -1)
  const side = (signs: string) =>
    lines
      .filter(([sign = '']) => signs.includes(sign))
      .map((line) => `${line.slice(1)}\n`)
      .join('')
  const parts = text.split(side(' -'))
  if (parts.length !== 2)
    throw new Error(`The context of a change is there ${parts.length - 1} times:\n${diff}`)
  return parts.join(side(' +'))
}
