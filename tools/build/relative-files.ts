import { statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, dirname, relative, resolve, sep } from 'node:path'
import type { OnResolveArgs, OnResolveResult, Plugin, PluginBuild } from 'esbuild'

/** Files that a bundle needs beside it. */
export interface Companions {
  /** Sources that are bundled into a file of their own, by the name of that file. */
  readonly programs: Map<string, string>
  /** Files and folders that are copied, by their name. */
  readonly copies: Map<string, string>
}

/**
 * Finds what one file cannot hold, and points the bundle to it, beside the bundle. Three expressions of our sources are rules for
 * that, and work without a bundle, too:
 *
 * - `new URL('./digest.ts', import.meta.url)`: a module for a thread becomes a bundle of its own; any other file or folder, such as
 *   the migrations, is copied.
 * - `import.meta.resolve('@fastify/swagger-ui/static/swagger-ui.css')`: a file of a package is copied.
 * - `import('a-client')`: a package that is loaded when it is used becomes a bundle of its own, so that the process does not read it
 *   before.
 *
 * The other modules of the workspace do nothing when they are imported, so an unused one is left out.
 *
 * @param root of the repository
 * @param home the folder of the program's own sources, after which its companions are named
 */
export function relativeFiles(root: string, home: string, companions: Companions): Plugin {
  const isOurs = (path: string) => path.startsWith(root + sep) && !path.includes(`${sep}node_modules${sep}`)
  return {
    name: 'relative-files',
    setup(build) {
      build.onResolve({ filter: /^(\.|@reference\/)/ }, async (args) => {
        if (args.pluginData === RESOLVING || !isOurs(args.importer)) return undefined
        const { path, errors } = await resolveWith(build, args)
        return { path, errors, sideEffects: false }
      })
      build.onResolve({ filter: /^[^.]/ }, async (args): Promise<OnResolveResult | undefined> => {
        const { pluginData, kind, importer } = args
        if (pluginData === RESOLVING || kind !== 'dynamic-import' || !isOurs(importer)) return undefined
        if (/^(@reference\/|node:)/.test(args.path)) return undefined
        const { path, errors } = await resolveWith(build, args)
        if (errors.length > 0) return { errors }
        const name = `${args.path.replace(/^@/, '').replaceAll('/', '-')}.js`
        add(companions.programs, name, path)
        return { path: `./${name}`, external: true }
      })
      build.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        if (!isOurs(path)) return undefined
        const source = await readFile(path, 'utf8')
        const resolveDir = dirname(path)
        const names = await Promise.all(
          [...source.matchAll(COMPANION)].map(async ({ groups }) => {
            const { relative: file, packaged = '' } = groups ?? {}
            if (file !== undefined) return addRelative(companions, resolve(resolveDir, file), home)
            const found = await build.resolve(packaged, {
              kind: 'import-statement',
              resolveDir,
              pluginData: RESOLVING,
            })
            return add(companions.copies, basename(found.path), found.path)
          }),
        )
        const contents = source.replaceAll(COMPANION, (whole) => {
          const url = `new URL('./${names.shift()}', import.meta.url)`
          return whole.startsWith('new URL') ? url : `${url}.href`
        })
        return { contents, loader: 'ts' }
      })
    },
  }
}

/** Marks the plugin's own call of `resolve`, which would call the plugin again. */
const RESOLVING = Symbol('resolving')

const COMPANION =
  /new URL\('(?<relative>\.[^']+)', import\.meta\.url\)|import\.meta\.resolve\('(?<packaged>[^']+)'\)/g

function resolveWith(build: PluginBuild, { path, kind, importer, resolveDir }: OnResolveArgs) {
  return build.resolve(path, { kind, importer, resolveDir, pluginData: RESOLVING })
}

function addRelative({ programs, copies }: Companions, path: string, home: string): string {
  if (!path.endsWith('.ts')) return add(copies, basename(path), path)
  // `report/worker.ts` becomes `report-worker.js`.
  return add(programs, relative(home, path).split(sep).join('-').replace(/\.ts$/, '.js'), path)
}

function add(to: Map<string, string>, name: string, path: string): string {
  const other = to.get(name)
  if (other !== undefined && other !== path) throw new Error(`${other} and ${path} would both be ${name}`)
  statSync(path)
  to.set(name, path)
  return name
}
