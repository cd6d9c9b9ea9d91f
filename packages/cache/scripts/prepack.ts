/**
 * `pnpm --filter @reference/cache pack` runs this first. It writes the published form of the package into `dist`: JavaScript in
 * which the packages of the workspace are bundled, declarations, and a manifest without those packages.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { build } from 'esbuild'

const root = join(import.meta.dirname, '..')
const dist = join(root, 'dist')
const declarations = join(dist, 'declarations')

interface Manifest {
  name: string
  exports: Record<string, string>
  dependencies: Record<string, string>
  [field: string]: unknown
}
const manifest: Manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const isOfWorkspace = (version: string) => version.startsWith('workspace:')
/** Subpath to source: everything that the workspace exports, except the support for its tests. */
const entries = Object.entries(manifest.exports).filter(([subpath]) => subpath !== './testing')
const dependencies = Object.entries(manifest.dependencies).filter(([, version]) => !isOfWorkspace(version))
/** From `src`, without the extension. */
const outputOf = (source: string) => relative('src', source).replace(/\.ts$/, '')

rmSync(dist, { recursive: true, force: true })
mkdirSync(dist)
await writePrograms()
writeDeclarations()
writeManifest()
for (const page of ['README.md', 'COMPARISON.md']) {
  writeFileSync(join(dist, page), withoutRepository(readFileSync(join(root, page), 'utf8')))
}
cpSync(join(root, '../../LICENSE'), join(dist, 'LICENSE'))
// The README explains the sources, and links to them.
cpSync(join(root, 'src'), join(dist, 'src'), {
  recursive: true,
  filter: (path) => !/\/testing$|\.test\.ts$/.test(path),
})

async function writePrograms(): Promise<void> {
  const peers = Object.keys(manifest.peerDependencies ?? {})
  await build({
    absWorkingDir: root,
    entryPoints: entries.map(([, source]) => ({ in: source, out: outputOf(source) })),
    outdir: dist,
    bundle: true,
    splitting: true,
    chunkNames: 'shared/[hash]',
    platform: 'node',
    format: 'esm',
    target: 'node24',
    external: [...dependencies.map(([name]) => name), ...peers],
    sourcemap: true,
    logLevel: 'warning',
  })
}

/** The declarations that an entry reaches. */
function writeDeclarations(): void {
  execFileSync('tsc', ['--project', 'tsconfig.declarations.json'], { cwd: root, stdio: 'inherit' })
  const emitted = join(declarations, basename(root), 'src')
  const reached = new Set(entries.map(([, source]) => `${outputOf(source)}.d.ts`))
  // The Set grows while it is visited.
  for (const file of reached) {
    const text = readFileSync(join(emitted, file), 'utf8')
    const copied = text.replaceAll(/(from |import\()(["'])([^"']+)\2/g, (_, before, quote, specifier) => {
      if (specifier.startsWith('@reference/')) throw new Error(`${file} needs ${specifier}`)
      if (!specifier.startsWith('.')) return `${before}${quote}${specifier}${quote}`
      reached.add(join(dirname(file), specifier.replace(/\.ts$/, '.d.ts')))
      return `${before}${quote}${specifier.replace(/\.ts$/, '.js')}${quote}`
    })
    const target = join(dist, 'types', file)
    mkdirSync(dirname(target), { recursive: true })
    writeFileSync(target, copied)
  }
  rmSync(declarations, { recursive: true })
}

/** Images of the repository are left out; of a link to one of its pages the text stays. */
function withoutRepository(text: string): string {
  return text
    .replaceAll(/^!\[.*\]\(\.\.\/\.\.\/.*\)\n/gm, '')
    .replaceAll(/\[([^\]]+)\]\(\.\.\/\.\.\/[^)]*\)/g, '$1')
}

function writeManifest(): void {
  const { name, version, description, keywords, license, type, engines } = manifest
  const published = {
    ...{ name, version, description, keywords, license, type, engines },
    exports: Object.fromEntries(
      entries.map(([subpath, source]) => [
        subpath,
        { types: `./types/${outputOf(source)}.d.ts`, default: `./${outputOf(source)}.js` },
      ]),
    ),
    dependencies: Object.fromEntries(dependencies.map(([each, at]) => [each, `^${at}`])),
    peerDependencies: manifest.peerDependencies,
    peerDependenciesMeta: manifest.peerDependenciesMeta,
  }
  const missing = entries.filter(([, source]) => !existsSync(join(dist, `${outputOf(source)}.js`)))
  if (missing.length > 0) throw new Error(`Not built: ${missing.join(', ')}`)
  writeFileSync(join(dist, 'package.json'), `${JSON.stringify(published, null, 2)}\n`)
}
