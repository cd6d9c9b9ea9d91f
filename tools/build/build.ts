import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { REPOSITORY_ROOT } from '@reference/cli'
import { build, type Plugin } from 'esbuild'
import { ABSENT_PACKAGES, piscinaThread } from './package-rules.ts'
import { type Companions, relativeFiles } from './relative-files.ts'
import { reduceSourceMap } from './source-map.ts'
import { startFile } from './start-file.ts'

export interface BuiltFile {
  /** From the folder of the service. */
  readonly name: string
  readonly bytes: number
}

/**
 * Bundles the programs of a service, and what they need beside them, into a folder that needs no `node_modules`.
 *
 * @param programs sources by the name of their bundle, without `.js`
 * @param home the folder of the service's sources
 * @param outdir emptied first
 */
export async function buildService(
  programs: Readonly<Record<string, string>>,
  home: string,
  outdir: string,
): Promise<BuiltFile[]> {
  const named = Object.entries(programs).map(([name, source]): [string, string] => [
    `${name}.bundle.js`,
    source,
  ])
  const companions: Companions = { programs: new Map(named), copies: new Map() }
  const plugins = [relativeFiles(REPOSITORY_ROOT, home, companions), piscinaThread(companions)]
  rmSync(outdir, { recursive: true, force: true })
  mkdirSync(outdir, { recursive: true })
  writeFileSync(join(outdir, 'package.json'), '{ "type": "module" }\n')
  for (const name of Object.keys(programs)) await writeStartFile(name, join(outdir, `${name}.js`))
  const files: BuiltFile[] = []
  // The bundles find companions, which the Map then visits too.
  for (const [name, source] of companions.programs) {
    files.push({ name, bytes: await bundle(source, join(outdir, name), plugins) })
  }
  for (const [name, source] of companions.copies) cpSync(source, join(outdir, name), { recursive: true })
  return files
}

/** CommonJS packages in the bundle use these, which a module does not have. */
const COMMONJS_NAMES = `import { createRequire as createRequireOfBundle } from 'node:module'
const require = createRequireOfBundle(import.meta.url), __dirname = import.meta.dirname, __filename = import.meta.filename
`

/** @returns the size of the file in bytes */
async function bundle(source: string, outfile: string, plugins: Plugin[]): Promise<number> {
  const { metafile } = await build({
    absWorkingDir: REPOSITORY_ROOT,
    entryPoints: [source],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node26',
    banner: { js: COMMONJS_NAMES },
    external: ABSENT_PACKAGES,
    // The addon that gives threads their priority.
    loader: { '.node': 'copy' },
    assetNames: '[name]',
    // Names stay, so that a stack is readable where the map has no entry.
    minifySyntax: true,
    minifyWhitespace: true,
    sourcemap: true,
    sourcesContent: false,
    legalComments: 'none',
    plugins,
    metafile: true,
    logLevel: 'warning',
  })
  const map = reduceSourceMap(JSON.parse(readFileSync(`${outfile}.map`, 'utf8')), isOwnSource)
  writeFileSync(`${outfile}.map`, JSON.stringify(map))
  const output = Object.values(metafile.outputs).find(({ entryPoint }) => entryPoint !== undefined)
  return output?.bytes ?? 0
}

async function writeStartFile(name: string, outfile: string): Promise<void> {
  await build({
    stdin: { contents: startFile(name), resolveDir: import.meta.dirname, loader: 'ts' },
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node26',
    external: ['*.bundle.js'],
    logLevel: 'warning',
  })
}

function isOwnSource(path: string): boolean {
  return !path.includes('/node_modules/')
}
