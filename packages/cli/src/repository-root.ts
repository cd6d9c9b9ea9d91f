import { findUp } from './find-up.ts'

/** The folder of this repository, with the separator of the platform and without one at its end. */
export const REPOSITORY_ROOT = mustFindUp(import.meta.dirname, 'pnpm-workspace.yaml')

function mustFindUp(folder: string, name: string): string {
  const found = findUp(folder, name)
  if (found === undefined) throw new Error(`No folder above ${folder} holds ${name}`)
  return found
}
