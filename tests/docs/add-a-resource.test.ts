import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { REPOSITORY_ROOT } from '@reference/cli'
import t from 'tap'
import { copyRepository } from '../testing/repository-copy.ts'

// Compiling everything takes 10 s, and several times that on a busy machine.
t.setTimeout(300_000)

const PAGE = readFileSync(join(REPOSITORY_ROOT, 'docs/MAKE-IT-YOURS.md'), 'utf8')

t.test('a resource is added by the steps of docs/MAKE-IT-YOURS.md', async (t) => {
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

  t.match(PAGE, '\npnpm db:generate --name reviews\n')
  t.match(await copy.script('db:generate', '--name', 'reviews'), { code: 0 })
  const added = migrations(copy.folder).filter((path) => !before.includes(path))
  t.match(added, [/_reviews\.sql$/])
  const sql = readFileSync(join(copy.folder, added[0] ?? ''), 'utf8')
  t.match(sql, 'CREATE TABLE "reviews"')
  t.notMatch(sql, /DROP|ALTER TABLE "(?!reviews")/, 'nothing else changes')

  const check = await copy.script('check', 'types', 'imports')
  t.equal(check.code, 0, 'everything compiles', { output: check.output })
  const tests = await copy.script(
    'test',
    'services/reference-api/src/routes/reviews.test.ts',
    'packages/shop/src/statements.test.ts',
    'packages/shop/src/seed.test.ts',
  )
  t.equal(tests.code, 0, 'the tests pass', { output: tests.output })
  t.match(tests.output, /^[1-9]\d* passed, 0 failed$/m)
})

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
