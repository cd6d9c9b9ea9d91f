import { readdirSync, readFileSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SettingsError } from './errors.ts'
import { findUp } from './find-up.ts'
import { startOf } from './process-id.ts'

/** The servers of a running `pnpm dev`, `pnpm start` or `pnpm stack` of this clone. */
interface DevelopmentStack {
  /** As the user typed it. */
  readonly command: string
  /** Settings of the services that lead to the servers. */
  readonly settings: Readonly<Record<string, string>>
}

interface Announcement extends DevelopmentStack {
  readonly pid: number
  readonly startedAt: string
}

type Environment = Readonly<Record<string, string | undefined>>

/** A database is named in one of these. */
const NAMES = ['DATABASE_URL', 'DATABASE_DIRECT_URL', 'DATABASE_OWNER_URL']

/**
 * Lets other commands of this clone find the servers, until the returned function is called. The announcement of a process that has
 * ended is ignored. Without the right to write into the clone nothing is announced.
 */
export async function announceStack(stack: DevelopmentStack): Promise<() => Promise<void>> {
  const folder = folderOfStacks()
  if (folder === undefined) return async () => {}
  const file = join(folder, `${process.pid}.json`)
  const announcement: Announcement = { pid: process.pid, startedAt: startOf(process.pid) ?? '', ...stack }
  try {
    await mkdir(folder, { recursive: true })
    // The settings hold a password.
    await writeFile(file, JSON.stringify(announcement), { mode: 0o600 })
  } catch {
    return async () => {}
  }
  return () => rm(file, { force: true })
}

/**
 * The environment, with the database of the development stack of this clone when none is set. Prints on standard error which one it
 * is. In production nothing is searched.
 *
 * @throws SettingsError when several stacks run
 */
export function withDevelopmentStack(environment: Environment = process.env): Environment {
  const isSet = NAMES.some((name) => environment[name] || environment[`${name}_FILE`])
  if (isSet || environment.VAULT_SECRET_PATH || environment.NODE_ENV === 'production') return environment
  const stacks = runningStacks()
  const [stack] = stacks
  if (stack === undefined) return environment
  if (stacks.length > 1) {
    const list = stacks.map(({ command, pid }) => `${command} (process ${pid})`).join(', ')
    throw new SettingsError(
      `DATABASE_URL is not set, and several stacks run in this clone: ${list}. Stop all but one, or set DATABASE_URL`,
    )
  }
  process.stderr.write(
    `DATABASE_URL is not set: the database is that of ${stack.command} (process ${stack.pid})\n`,
  )
  const given = Object.entries(environment).filter(([, value]) => value !== undefined && value !== '')
  return { ...stack.settings, ...Object.fromEntries(given) }
}

function runningStacks(): Announcement[] {
  const folder = folderOfStacks()
  if (folder === undefined) return []
  return filesOf(folder)
    .map((file) => readAnnouncement(join(folder, file)))
    .filter((each) => each !== undefined)
    .filter(({ pid, startedAt }) => startOf(pid) === startedAt)
}

/** `LOCAL_STACKS_FOLDER` separates tests from the stacks of the clone. */
function folderOfStacks(): string | undefined {
  const root = findUp(import.meta.dirname, 'pnpm-workspace.yaml')
  return process.env.LOCAL_STACKS_FOLDER ?? (root && join(root, '.local-stack', 'running'))
}

function filesOf(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => name.endsWith('.json'))
  } catch {
    return []
  }
}

function readAnnouncement(file: string): Announcement | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    // Removed meanwhile, incomplete, or of another user.
    return undefined
  }
}
