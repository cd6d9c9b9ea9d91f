import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { CommandError, REPOSITORY_ROOT } from '@reference/cli'

/** Sorts imports and wraps lines anew, because names of another length do both. */
export function formatFiles(paths: readonly string[]): void {
  runBiome(['check', '--write', '--linter-enabled=false'], paths)
}

/** Removes the imports of names that a file does not use any more. */
export function removeUnusedImports(paths: readonly string[]): void {
  runBiome(['lint', '--write', '--unsafe', '--only=correctness/noUnusedImports'], paths)
  runBiome(['lint', '--write', '--only=style/useImportType'], paths)
}

function runBiome(args: readonly string[], paths: readonly string[]): void {
  const files = paths.filter(
    (path) => /\.(ts|js|json|css|html)$/.test(path) && existsSync(join(REPOSITORY_ROOT, path)),
  )
  if (files.length === 0) return
  const biome = join(REPOSITORY_ROOT, 'node_modules', '.bin', 'biome')
  const { NODE_OPTIONS: _, ...env } = process.env
  const { status, stderr } = spawnSync(biome, [...args, '--no-errors-on-unmatched', ...files], {
    cwd: REPOSITORY_ROOT,
    encoding: 'utf8',
    env,
  })
  if (status !== 0) throw new CommandError(`The files were changed, but Biome fails:\n${stderr}`)
}
