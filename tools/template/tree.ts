import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, matchesGlob } from 'node:path'

/** What a change of a tree costs, in comparison with the files on disk. */
export interface Difference {
  readonly deletedFiles: number
  readonly changedFiles: number
  /** Lines that are in the files on disk and not in the tree. */
  readonly lessLines: number
}

/**
 * The text files of a repository that are tracked, or new and not ignored. Changes are kept in memory until `flush`, so that a
 * change can be counted without being made.
 */
export class Tree {
  readonly root: string
  /** Path on disk by path in the tree. */
  readonly #origins = new Map<string, string>()
  readonly #texts = new Map<string, string>()
  readonly #deleted = new Set<string>()
  readonly #folders: [from: string, to: string][] = []

  constructor(root: string) {
    this.root = root
    for (const path of listFiles(root)) this.#origins.set(path, path)
  }

  /** Paths that match one of the globs, or all, sorted. A glob that names a folder stands for everything in it. */
  paths(...globs: readonly string[]): string[] {
    const all = [...this.#origins.keys()].sort()
    return globs.length === 0 ? all : all.filter((path) => globs.some((glob) => isMatch(path, glob)))
  }

  has(path: string): boolean {
    return this.#origins.has(path) || this.paths(path).length > 0
  }

  /** The text of a file; empty for one that is not text. */
  read(path: string): string {
    const known = this.#texts.get(path)
    if (known !== undefined) return known
    const origin = this.#origins.get(path)
    if (origin === undefined) throw new Error(`There is no ${path}`)
    const bytes = readFileSync(join(this.root, origin))
    const text = bytes.includes(0) ? '' : bytes.toString('utf8')
    this.#texts.set(path, text)
    return text
  }

  /** The text that a deleted file has on disk. */
  readDeleted(path: string): string {
    return readFileSync(join(this.root, path), 'utf8')
  }

  write(path: string, text: string): void {
    this.read(path)
    this.#texts.set(path, text)
  }

  delete(path: string): void {
    const origin = this.#origins.get(path)
    if (origin === undefined) throw new Error(`There is no ${path}`)
    this.#origins.delete(path)
    this.#texts.delete(path)
    this.#deleted.add(origin)
  }

  move(from: string, to: string): void {
    const origin = this.#origins.get(from)
    if (origin === undefined) throw new Error(`There is no ${from}`)
    const text = this.read(from)
    this.#origins.delete(from)
    this.#texts.delete(from)
    this.#origins.set(to, origin)
    this.#texts.set(to, text)
  }

  /** Moves what lies in a folder and is not a file of the repository: installed packages. */
  moveFolder(from: string, to: string): void {
    this.#folders.push([from, to])
  }

  /** Files that `flush` would write anew. */
  changedPaths(): string[] {
    const onDisk = new Tree(this.root)
    return [...this.#texts]
      .filter(([path, text]) => onDisk.read(this.#origins.get(path) ?? path) !== text)
      .map(([path]) => path)
  }

  /** In comparison with the files on disk. */
  difference(): Difference {
    const onDisk = new Tree(this.root)
    let changedFiles = 0
    let lessLines = 0
    for (const path of this.#deleted) lessLines += lineCount(onDisk.read(path))
    for (const [path, text] of this.#texts) {
      const before = onDisk.read(this.#origins.get(path) ?? path)
      if (before === text) continue
      changedFiles++
      lessLines += Math.max(0, lineCount(before) - lineCount(text))
    }
    return { deletedFiles: this.#deleted.size, changedFiles, lessLines }
  }

  /** Writes all changes to disk. */
  flush(): void {
    for (const path of this.#deleted) {
      rmSync(join(this.root, path), { force: true })
      this.#removeEmptied(dirname(path))
    }
    for (const [from, to] of this.#folders) renameSync(join(this.root, from), join(this.root, to))
    for (const [path, origin] of this.#origins) if (path !== origin) this.#moveFile(origin, path)
    for (const [path, text] of this.#texts) {
      const file = join(this.root, path)
      if (text !== '' && text !== readFileSync(file, 'utf8')) writeFileSync(file, text)
    }
  }

  #moveFile(from: string, to: string): void {
    const folder = this.#folders.find(([old]) => from.startsWith(`${old}/`))
    const source = join(this.root, folder === undefined ? from : folder[1] + from.slice(folder[0].length))
    const target = join(this.root, to)
    mkdirSync(dirname(target), { recursive: true })
    if (existsSync(source)) renameSync(source, target)
    this.#removeEmptied(dirname(from))
  }

  /** Removes folders without files of the repository; installed packages and build results go with them. */
  #removeEmptied(folder: string): void {
    if (folder === '.' || !existsSync(join(this.root, folder)) || this.paths(folder).length > 0) return
    for (const left of ['node_modules', '.tap', 'dist'])
      rmSync(join(this.root, folder, left), { recursive: true, force: true })
    try {
      rmdirSync(join(this.root, folder))
    } catch {
      return
    }
    this.#removeEmptied(dirname(folder))
  }
}

export function listFiles(root: string): string[] {
  const list = ['ls-files', '--cached', '--others', '--exclude-standard', '-z']
  const { status, stdout, stderr } = spawnSync('git', list, { cwd: root, encoding: 'utf8', maxBuffer: 64e6 })
  if (status !== 0) throw new Error(`git ls-files failed: ${stderr}`)
  const paths = stdout.split('\0').filter((path) => path !== '' && existsSync(join(root, path)))
  return [...new Set(paths)].sort()
}

function isMatch(path: string, glob: string): boolean {
  return (
    path === glob ||
    path.startsWith(`${glob}/`) ||
    (/[*{]/.test(glob) && (matchesGlob(path, glob) || matchesGlob(path, `${glob}/**`)))
  )
}

function lineCount(text: string): number {
  return text === '' ? 0 : text.split('\n').length - 1
}
