import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { REPOSITORY_ROOT } from '@reference/cli'
import { ALLOWED, EXCEPTIONS, GROUPS, type Group, SUPPORT } from './layers.ts'
import { repositoryFiles } from './sources.ts'

interface Import {
  readonly from: string
  readonly specifier: string
  readonly typeOnly: boolean
}

interface Package {
  readonly folder: string
  readonly name: string
  /** Specifier to file, from the manifest's `exports`. Both may have one `*`. */
  readonly exports: ReadonlyMap<string, string>
  readonly declared: ReadonlySet<string>
}

/** `import … from '…'`, `export … from '…'`, `import '…'`, `import('…')`, as Biome formats them. */
const IMPORT = /^(?:import|export)\s(type\s)?(?:[^'";]*?\sfrom\s)?'([^']+)'|\bimport\('([^']+)'\)/gm

/** Faults of imports: against the layers, past a package's exports, undeclared, or in a cycle. */
export function importFaults(): string[] {
  const packages = readPackages()
  const imports = repositoryFiles('*.ts').flatMap(importsOf)
  return [...imports.flatMap((each) => faultsOf(each, packages)), ...cycles(imports, packages)]
}

function faultsOf({ from, specifier, typeOnly }: Import, packages: readonly Package[]): string[] {
  const own = packageOf(from, packages)
  if (specifier.startsWith('.')) {
    const target = normalize(join(dirname(from), specifier))
    if (!existsSync(join(REPOSITORY_ROOT, target))) return [`${from}: ${specifier} does not exist`]
    const isInside = own === undefined || target.startsWith(`${own.folder}/`)
    return isInside
      ? []
      : [`${from}: ${specifier} leaves ${own.folder}; import the other package by its name`]
  }
  const target = packages.find(({ name }) => specifier === name || specifier.startsWith(`${name}/`))
  if (target === undefined || own === undefined || target === own) return []
  if (exportedFile(target, specifier) === undefined)
    return [`${from}: ${target.folder} does not export ${specifier}`]
  if (!own.declared.has(target.name))
    return [`${from}: ${own.folder}/package.json does not declare ${target.name}`]
  if (SUPPORT.test(from) || isAllowed(own.folder, target.folder, typeOnly)) return []
  return [`${from}: ${own.folder} may not import ${target.folder} (tools/check/layers.ts)`]
}

function isAllowed(from: string, to: string, typeOnly: boolean): boolean {
  const [own, other] = [groupOf(from), groupOf(to)]
  if (own === undefined || other === undefined) return false
  if (ALLOWED[own].some((allowed) => allowed === other || allowed === to)) return true
  return EXCEPTIONS.some(
    (exception) =>
      exception.from === from && [to, other].includes(exception.to) && (typeOnly || exception.types !== true),
  )
}

function groupOf(folder: string): Group | undefined {
  const found = Object.entries(GROUPS).find(([, folders]) => (folders as readonly string[]).includes(folder))
  return found?.[0] as Group | undefined
}

/** Import cycles between files, one line each. */
function cycles(imports: readonly Import[], packages: readonly Package[]): string[] {
  const edges = new Map<string, string[]>()
  for (const { from, specifier } of imports) {
    const to = resolve(from, specifier, packages)
    if (to !== undefined) edges.set(from, [...(edges.get(from) ?? []), to])
  }
  const faults: string[] = []
  const state = new Map<string, 'open' | 'done'>()
  const path: string[] = []
  const visit = (file: string): void => {
    if (state.get(file) === 'done') return
    if (state.get(file) === 'open') {
      faults.push(`import cycle: ${[...path.slice(path.indexOf(file)), file].join(' → ')}`)
      return
    }
    state.set(file, 'open')
    path.push(file)
    for (const next of edges.get(file) ?? []) visit(next)
    path.pop()
    state.set(file, 'done')
  }
  for (const file of edges.keys()) visit(file)
  return faults
}

function resolve(from: string, specifier: string, packages: readonly Package[]): string | undefined {
  if (specifier.startsWith('.')) return normalize(join(dirname(from), specifier))
  return packages.flatMap((each) => exportedFile(each, specifier) ?? [])[0]
}

function exportedFile({ exports }: Package, specifier: string): string | undefined {
  const file = exports.get(specifier)
  if (file !== undefined) return file
  for (const [pattern, target] of exports) {
    const [head, tail] = pattern.split('*')
    if (head === undefined || tail === undefined) continue
    if (!specifier.startsWith(head) || !specifier.endsWith(tail)) continue
    const found = target.replace('*', specifier.slice(head.length, specifier.length - tail.length))
    if (existsSync(join(REPOSITORY_ROOT, found))) return found
  }
  return undefined
}

function importsOf(from: string): Import[] {
  const text = readFileSync(join(REPOSITORY_ROOT, from), 'utf8')
  return [...text.matchAll(IMPORT)].map(([statement, type, named, dynamic]) => ({
    from,
    specifier: named ?? dynamic ?? '',
    typeOnly: type !== undefined || isOnlyTypes(statement),
  }))
}

/** `import { type A, type B } from '…'` */
function isOnlyTypes(statement: string): boolean {
  const names = /^(?:import|export)\s\{([^}]*)\}/.exec(statement)?.[1]
  if (names === undefined) return false
  return names
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
    .every((name) => name.startsWith('type '))
}

function readPackages(): Package[] {
  return repositoryFiles('*/package.json', '**/package.json').map((path) => {
    const manifest = JSON.parse(readFileSync(join(REPOSITORY_ROOT, path), 'utf8'))
    const folder = dirname(path)
    const listed: Record<string, string> =
      typeof manifest.exports === 'string' ? { '.': manifest.exports } : (manifest.exports ?? {})
    const exports = Object.entries(listed).map(([subpath, file]): [string, string] => [
      `${manifest.name}${subpath.slice(1)}`,
      normalize(join(folder, file)),
    ])
    const { dependencies = {}, devDependencies = {} } = manifest
    return {
      folder,
      name: manifest.name,
      exports: new Map(exports),
      declared: new Set([...Object.keys(dependencies), ...Object.keys(devDependencies)]),
    }
  })
}

function packageOf(file: string, packages: readonly Package[]): Package | undefined {
  return packages.find(({ folder }) => folder !== '.' && file.startsWith(`${folder}/`))
}
