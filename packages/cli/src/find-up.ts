import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The nearest folder, from `folder` upwards, that holds a file of this name; undefined without one. */
export function findUp(folder: string, name: string): string | undefined {
  if (existsSync(join(folder, name))) return folder
  const parent = dirname(folder)
  return parent === folder ? undefined : findUp(parent, name)
}
