import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CommandError, REPOSITORY_ROOT } from '@reference/cli'
import { removeEntries } from './blocks.ts'

/** Sorts imports and wraps lines anew, because names of another length do both. */
export function formatFiles(paths: readonly string[]): void {
  runBiome(['check', '--write', '--linter-enabled=false'], paths)
}

/** Removes the imports of names that a file does not use any more. */
export function removeUnusedImports(paths: readonly string[]): void {
  runBiome(['lint', '--write', '--unsafe', '--only=correctness/noUnusedImports'], paths)
  runBiome(['lint', '--write', '--only=style/useImportType'], paths)
}

/** Removes functions and constants that nothing uses any more, and then what only they used. */
export function removeUnusedDeclarations(paths: readonly string[]): void {
  for (let turn = 0; turn < MOST_TURNS; turn++) {
    const unused = unusedDeclarations(paths)
    for (const [path, lines] of unused) {
      const file = join(REPOSITORY_ROOT, path)
      const text = readFileSync(file, 'utf8')
      writeFileSync(
        file,
        removeEntries(text, (_line, _next, index) => lines.has(index + 1)),
      )
    }
    if (unused.size === 0) return
    removeUnusedImports([...unused.keys()])
  }
}

const MOST_TURNS = 5
/** A declaration of one name; in a pattern the name alone would have to go. */
const DECLARATION = /^\s*(async function|function|const) \w+/

interface Diagnostic {
  readonly location: { readonly path: string; readonly start: { readonly line: number } }
}

/** The numbers of their lines, by file. */
function unusedDeclarations(paths: readonly string[]): Map<string, Set<number>> {
  const found = new Map<string, Set<number>>()
  const output = runBiome(
    ['lint', '--reporter=json', '--max-diagnostics=none', '--only=correctness/noUnusedVariables'],
    paths,
    false,
  )
  if (output === '') return found
  const { diagnostics } = JSON.parse(output) as { diagnostics: Diagnostic[] }
  for (const { location } of diagnostics) {
    const { path, start } = location
    const line = readFileSync(join(REPOSITORY_ROOT, path), 'utf8').split('\n')[start.line - 1] ?? ''
    if (DECLARATION.test(line)) found.set(path, (found.get(path) ?? new Set()).add(start.line))
  }
  return found
}

/** @returns what it prints */
function runBiome(args: readonly string[], paths: readonly string[], mustPass = true): string {
  const files = paths.filter(
    (path) => /\.(ts|js|json|css|html)$/.test(path) && existsSync(join(REPOSITORY_ROOT, path)),
  )
  if (files.length === 0) return ''
  const biome = join(REPOSITORY_ROOT, 'node_modules', '.bin', 'biome')
  const { NODE_OPTIONS: _, ...env } = process.env
  const { status, stdout, stderr } = spawnSync(biome, [...args, '--no-errors-on-unmatched', ...files], {
    cwd: REPOSITORY_ROOT,
    encoding: 'utf8',
    env,
    maxBuffer: 64e6,
  })
  if (status !== 0 && mustPass) throw new CommandError(`The files were changed, but Biome fails:\n${stderr}`)
  return stdout
}
