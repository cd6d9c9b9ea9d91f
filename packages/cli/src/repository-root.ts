import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The folder of this repository, with the separator of the platform and without one at its end. */
export const REPOSITORY_ROOT = findUp(import.meta.dirname, 'pnpm-workspace.yaml')

function findUp(folder: string, name: string): string {
  if (existsSync(join(folder, name))) return folder
  const parent = dirname(folder)
  if (parent === folder) throw new Error(`No folder above ${import.meta.dirname} holds ${name}`)
  return findUp(parent, name)
}
