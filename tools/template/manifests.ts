import { dirname, join } from 'node:path'
import type { Tree } from './tree.ts'

interface Manifest {
  readonly name: string
  scripts?: Record<string, string>
  exports?: string | Record<string, string>
  dependencies?: Record<string, string>
  devDependencies?: Record<string, string>
}

/**
 * Removes from every package.json the dependencies on deleted packages, and the scripts and exports whose file was deleted.
 *
 * @returns the names of the deleted packages, and the specifiers of the deleted exports
 */
export function removeManifestEntries(tree: Tree, gone: ReadonlySet<string>): Set<string> {
  const packages = new Set<string>()
  const removed = new Set<string>()
  for (const path of gone) if (path.endsWith('package.json')) packages.add(nameOnDisk(tree, path))
  edit(tree, (manifest, path) => {
    removeScripts(manifest, dirname(path), gone)
    for (const name of removeExports(manifest, dirname(path), gone)) removed.add(name)
    for (const name of packages) {
      delete manifest.dependencies?.[name]
      delete manifest.devDependencies?.[name]
    }
  })
  return new Set([...packages, ...removed])
}

function removeScripts({ scripts = {} }: Manifest, folder: string, gone: ReadonlySet<string>): void {
  for (const [name, line] of Object.entries(scripts))
    if (line.split(' ').some((word) => gone.has(join(folder, word)))) delete scripts[name]
}

/** @returns the specifiers of the exports */
function removeExports({ name, exports }: Manifest, folder: string, gone: ReadonlySet<string>): string[] {
  if (typeof exports !== 'object') return []
  const removed = Object.entries(exports).filter(([, file]) =>
    gone.has(`${folder}/${file.replace('./', '')}`),
  )
  for (const [subpath] of removed) delete exports[subpath]
  return removed.map(([subpath]) => `${name}${subpath.slice(1)}`)
}

/** Removes dependencies that the sources of a package imported before, and import no more. */
export function removeUnusedDependencies(tree: Tree, before: Usage): void {
  const after = usedSpecifiers(tree)
  edit(tree, (manifest, path) => {
    const [old, left] = [before.get(path), after.get(path)]
    const isUnused = (name: string) => {
      const typed = name.replace('@types/', '')
      return (old?.has(name) || old?.has(typed)) && !left?.has(name) && !left?.has(typed)
    }
    for (const group of [manifest.dependencies, manifest.devDependencies])
      for (const name of Object.keys(group ?? {})) if (isUnused(name)) delete group?.[name]
  })
}

function edit(tree: Tree, change: (manifest: Manifest, path: string) => void): void {
  for (const path of tree.paths('package.json', '**/package.json')) {
    const text = tree.read(path)
    const manifest: Manifest = JSON.parse(text)
    change(manifest, path)
    for (const key of ['scripts', 'exports', 'dependencies', 'devDependencies'] as const) {
      const value = manifest[key]
      if (typeof value === 'object' && Object.keys(value).length === 0) delete manifest[key]
    }
    const changed = `${JSON.stringify(manifest, null, 2)}\n`
    if (changed !== text) tree.write(path, changed)
  }
}

function nameOnDisk(tree: Tree, path: string): string {
  return JSON.parse(tree.readDeleted(path)).name
}

/** Package names that the sources in the folder of each manifest import. */
type Usage = ReadonlyMap<string, ReadonlySet<string>>

export function usedSpecifiers(tree: Tree): Usage {
  const manifests = tree.paths('**/package.json', 'package.json')
  return new Map(
    manifests.map((manifest) => {
      const sources = tree.paths(dirname(manifest)).filter((path) => /\.(ts|js)$/.test(path))
      const found = sources.flatMap((path) => [
        ...tree.read(path).matchAll(/['"]((?:@[\w-]+\/)?[a-z][\w.-]*)(?:\/[^'"\s]*)?['"]/g),
      ])
      return [manifest, new Set(found.map(([, name = '']) => name))]
    }),
  )
}
