import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { SourceMap } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import t from 'tap'
import { reduceSourceMap } from './source-map.ts'

t.test('a reduced map has the same entries for the sources that are kept, and none for others', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'source-map-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text)
  write(
    'own.ts',
    "import { a } from './package.js'\n\nexport function own(x: number) {\n  return a(x) + other(x)\n}\n\nfunction other(x: number) {\n  throw new Error('ö' + x)\n}\n",
  )
  write('package.js', 'export function a(x) {\n  if (x) throw new Error("a")\n  return x\n}\n')
  write(
    'main.ts',
    "import { own } from './own.ts'\nimport { a } from './package.js'\nconsole.log(a(0),\n  own(1))\n",
  )
  for (const minifyWhitespace of [false, true]) {
    const outfile = join(folder, 'out.js')
    await build({
      entryPoints: [join(folder, 'main.ts')],
      outfile,
      bundle: true,
      minifyWhitespace,
      sourcemap: true,
    })
    const full = JSON.parse(readFileSync(`${outfile}.map`, 'utf8'))
    const reduced = reduceSourceMap(full, (source) => source !== 'package.js')
    t.same(reduced.sources, ['own.ts', 'main.ts'])
    const [before, after] = [
      new SourceMap(full),
      new SourceMap({ ...reduced, file: '', sourcesContent: [], sourceRoot: '' }),
    ]
    let kept = 0
    for (const [row, line] of readFileSync(outfile, 'utf8').split('\n').entries()) {
      for (let column = 0; column < line.length; column++) {
        const expected = before.findEntry(row, column)
        const found = after.findEntry(row, column)
        if (!('originalSource' in expected) || String(expected.originalSource) === 'package.js') {
          t.equal('originalSource' in found ? found.originalSource : undefined, undefined, `${row}:${column}`)
          continue
        }
        t.same(found, { ...expected, name: undefined }, `${row}:${column}`)
        kept++
      }
    }
    t.ok(kept > 50)
  }
})
