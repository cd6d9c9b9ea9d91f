import {
  chmodSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import type { Test } from 'tap'
import { copyRepository, programsOf, type RepositoryCopy } from '../testing/repository-copy.ts'

export interface Clone extends RepositoryCopy {
  /** Runs lines of a shell, which end at the first failure, with a `pnpm` that needs no network. */
  shell(lines: string, env?: Readonly<Record<string, string>>): Promise<{ code: number; output: string }>
}

/** A clone of this repository with one commit, outside of it: tools that search for a repository upwards find the clone's own. */
export async function cloneRepository(t: Test): Promise<Clone> {
  const place = mkdtempSync(join(tmpdir(), 'template-'))
  t.teardown(() => rmSync(place, { recursive: true, force: true }))
  const folder = join(place, 'clone')
  mkdirSync(folder)
  copyRepository(folder)
  const clone = cloneAt(folder)
  await must(
    clone,
    'git init --quiet --initial-branch=main && git add --all && git commit --quiet --message Clone',
  )
  return clone
}

/** A clone that is there. */
export function cloneAt(folder: string): Clone {
  const copy = programsOf(folder)
  const programs = join(folder, '../programs')
  mkdirSync(programs, { recursive: true })
  const pnpm = join(programs, 'pnpm')
  writeFileSync(pnpm, `#!/bin/sh\nexec node '${join(import.meta.dirname, 'pnpm.ts')}' "$@"\n`)
  chmodSync(pnpm, 0o755)
  return {
    ...copy,
    shell(lines, env = {}) {
      const path = [programs, join(folder, 'node_modules/.bin'), process.env.PATH].join(delimiter)
      const settings = Object.entries({ ...AUTHOR, ...env, PATH: path }).map(
        ([name, value]) => `${name}=${value}`,
      )
      return copy.run('env', [...settings, 'sh', '-ec', lines])
    },
  }
}

/** An author, and none of the user's settings. */
const AUTHOR = {
  GIT_AUTHOR_NAME: 'Test',
  GIT_AUTHOR_EMAIL: 'test@example.com',
  GIT_COMMITTER_NAME: 'Test',
  GIT_COMMITTER_EMAIL: 'test@example.com',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_NOSYSTEM: '1',
}

/** Runs lines of a shell. @returns what they print. @throws when one fails */
export async function must(clone: Clone, lines: string): Promise<string> {
  const { code, output } = await clone.shell(lines)
  if (code !== 0) throw new Error(`${lines}: ${output}`)
  return output
}

/** Links the packages under the scope that they have now, as `pnpm install` does after a rename. */
export function linkScope(folder: string, scope: string): void {
  for (const path of globSync('{.,*,packages/*,services/*}/node_modules', { cwd: folder }))
    for (const name of readdirSync(join(folder, path)))
      if (name === '@reference' && scope !== name)
        renameSync(join(folder, path, name), join(folder, path, scope))
}
