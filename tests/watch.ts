import { existsSync, watch } from 'node:fs'
import { join, sep } from 'node:path'
import { root } from './tap.ts'

export interface WatchOptions {
  /** Test files that the user has named; empty for those of each package that changes. */
  readonly named: readonly string[]
  /** All test files; called before each run, because a file may be new. */
  all(): readonly string[]
  run(files: readonly string[]): Promise<unknown>
  /** Called before a run when the tables of the template database may have changed. */
  renewTemplate(): Promise<void>
  say(line: string): void
}

/** Folders with sources of their own; a part may have been removed. node_modules below them holds links, which are not followed. */
const FOLDERS = ['packages', 'services', 'bench', 'tests', 'tools'].filter((folder) =>
  existsSync(join(root, folder)),
)

/** An editor or a formatter writes several files at once. */
const SETTLE_MS = 200

/** What the template database is made from. */
const TEMPLATE_SOURCES =
  /^packages\/shop\/(migrations\/|src\/(seed|.*table)\.ts$)|^packages\/database\/src\/schema\.ts$/

/**
 * Runs tests after each change of a source, on the servers that stay up, until Ctrl-C: the files that the user has named, or those of
 * the packages whose files have changed. A changed test file is run alone. Enter runs the last files again.
 */
export async function watchTests(options: WatchOptions): Promise<number> {
  const { named, run, renewTemplate, say } = options
  const changes = new Changes()
  let files = named
  try {
    while (!changes.isEnded) {
      if (files.length > 0) await run(files)
      if (changes.isEnded) break
      say('\nwaiting for a change; Enter runs the tests again, Ctrl-C ends')
      const changed = await changes.next()
      if (changed.some((path) => TEMPLATE_SOURCES.test(path))) await renewTemplate()
      if (changed.length > 0) files = filesFor(changed, options)
      if (changed.length > 0) say(`\nchanged: ${changed.join(', ')}`)
      if (files.length === 0) say('no test file is near it')
    }
  } finally {
    changes.close()
  }
  return 0
}

/**
 * The test files to run after a change.
 *
 * @param changed paths from the root of the repository
 */
export function filesFor(
  changed: readonly string[],
  { named, all }: Pick<WatchOptions, 'named' | 'all'>,
): readonly string[] {
  const existing = all()
  const candidates = named.length > 0 ? named.filter((file) => existing.includes(file)) : existing
  if (changed.every((path) => candidates.includes(path))) return changed
  if (named.length > 0) return candidates
  const homes = new Set(changed.map(homeOf))
  return candidates.filter((file) => homes.has(homeOf(file)))
}

/** The folder of a package: `packages/http` of `packages/http/src/server.ts`. */
function homeOf(path: string): string {
  const [group = '', name = ''] = path.split('/')
  return group === 'packages' || group === 'services' ? `${group}/${name}` : group
}

/** The changes of sources since the last call of `next`. */
class Changes {
  isEnded = false
  readonly #paths = new Set<string>()
  readonly #watchers = FOLDERS.map((folder) =>
    watch(join(root, folder), { recursive: true }, (_, name) => this.#note(folder, name)),
  )
  #timer: NodeJS.Timeout | undefined
  #wake = () => {}
  #isAsked = false

  constructor() {
    process.on('SIGINT', this.#end).on('SIGTERM', this.#end)
    if (process.stdin.isTTY) process.stdin.on('data', this.#ask)
  }

  /** Resolves after a change with its paths, and without any when the user asks for a run or ends the command. */
  async next(): Promise<string[]> {
    while (!this.isEnded && !this.#isAsked && (this.#paths.size === 0 || this.#timer !== undefined)) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    this.#isAsked = false
    const paths = [...this.#paths].sort()
    this.#paths.clear()
    return paths
  }

  close(): void {
    clearTimeout(this.#timer)
    for (const watcher of this.#watchers) watcher.close()
    process.off('SIGINT', this.#end).off('SIGTERM', this.#end)
    process.stdin.off('data', this.#ask).pause()
  }

  #note(folder: string, name: string | null): void {
    if (name === null || !isSource(name)) return
    this.#paths.add([folder, ...name.split(sep)].join('/'))
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      // A file that an editor or a test made for a moment.
      for (const path of this.#paths) if (!existsSync(join(root, path))) this.#paths.delete(path)
      this.#wake()
    }, SETTLE_MS)
  }

  readonly #end = () => {
    this.isEnded = true
    this.#wake()
  }

  readonly #ask = () => {
    this.#isAsked = true
    this.#wake()
  }
}

/** Tests and builds write into the other folders. */
function isSource(name: string): boolean {
  return (
    /\.(ts|sql)$/.test(name) && !/(^|[\\/])(node_modules|\.tap|results|tap-testdir[^\\/]*)[\\/]/.test(name)
  )
}
