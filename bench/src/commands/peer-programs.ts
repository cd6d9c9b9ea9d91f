import { spawnSync } from 'node:child_process'
import { cpSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** How a peer is started, or why it cannot be. */
export type PeerProgram =
  | {
      readonly kind: 'present'
      readonly command: readonly string[]
      readonly cwd: string
      readonly version: string
    }
  | { readonly kind: 'absent'; readonly reason: string }

const PEERS = fileURLToPath(new URL('../../peers', import.meta.url))
/** Debian's packages of Go libraries are a GOPATH. */
const DEBIAN_GOPATH = '/usr/share/gocode'
const GO_INSTALL =
  'Debian, Ubuntu: golang-go golang-github-gin-gonic-gin-dev golang-github-jackc-pgx-v4-dev golang-github-patrickmn-go-cache-dev'
const PYTHON_MODULES = [
  'fastapi',
  'uvicorn',
  'uvloop',
  'httptools',
  'sqlalchemy',
  'asyncpg',
  'greenlet',
  'redis',
  'cachetools',
]
const PYTHON_INSTALL =
  'Debian, Ubuntu: python3-fastapi python3-uvicorn python3-uvloop python3-httptools python3-sqlalchemy python3-greenlet python3-asyncpg python3-redis python3-cachetools; elsewhere: pip install -r bench/peers/fastapi/requirements.txt'

/**
 * Builds the Go application: with Debian's packages of its libraries where they are installed, else with modules.
 *
 * @param folder for the program
 * @param command `go`; `BENCH_GO` names another one
 */
export function goPeer(folder: string, command = process.env.BENCH_GO ?? 'go'): PeerProgram {
  const version = spawnSync(command, ['version'], { encoding: 'utf8' })
  if (version.status !== 0) return { kind: 'absent', reason: `there is no Go (${GO_INSTALL})` }
  const program = join(folder, 'go-peer')
  const sources = join(folder, 'go-peer-sources')
  // A copy, because `go mod tidy` writes go.sum.
  cpSync(join(PEERS, 'go'), sources, { recursive: true })
  const go = (args: readonly string[], more: Record<string, string>) =>
    spawnSync(command, args, { cwd: sources, encoding: 'utf8', env: { ...process.env, ...more } })
  const offline = existsSync(join(DEBIAN_GOPATH, 'src/github.com/gin-gonic/gin'))
  const modules = { GOFLAGS: '-mod=mod', GO111MODULE: 'on' }
  if (!offline) go(['mod', 'tidy'], modules)
  const built = go(
    ['build', '-o', program, '.'],
    offline ? { GO111MODULE: 'off', GOPATH: DEBIAN_GOPATH, GOFLAGS: '' } : modules,
  )
  if (built.status !== 0) {
    const message = (built.stderr ?? '').trim().split('\n').at(-1) ?? ''
    return { kind: 'absent', reason: `go build failed: ${message} (${GO_INSTALL})` }
  }
  const libraries = spawnSync(command, ['version', '-m', program], { encoding: 'utf8' }).stdout
  const gin =
    /gin-gonic\/gin\s+(\S+)/.exec(libraries)?.[1] ?? debianVersion('golang-github-gin-gonic-gin-dev')
  const pgx = /jackc\/pgx\/v4\s+(\S+)/.exec(libraries)?.[1] ?? debianVersion('golang-github-jackc-pgx-v4-dev')
  const [, , release = ''] = version.stdout.split(' ')
  return {
    kind: 'present',
    command: [program],
    cwd: folder,
    version: `${release}, gin ${gin}, pgx ${pgx}`,
  }
}

/**
 * Finds a Python that has the packages of the FastAPI application.
 *
 * @param interpreters in the order in which they are tried; `BENCH_PYTHON` names one that is tried alone
 */
export function fastapiPeer(interpreters = pythons()): PeerProgram {
  const show = PYTHON_MODULES.map((name) => `import ${name}`).join('; ')
  const versions =
    'from importlib.metadata import version as v; import sys; print(sys.version.split()[0], *[n + " " + v(n) for n in ("fastapi", "uvicorn", "sqlalchemy", "asyncpg")], sep=", ")'
  let reason = 'there is no python3'
  for (const python of interpreters) {
    const { status, stdout, stderr } = spawnSync(python, ['-c', `${show}; ${versions}`], { encoding: 'utf8' })
    if (status === 0) {
      return {
        kind: 'present',
        command: [python, '-m', 'app'],
        cwd: join(PEERS, 'fastapi'),
        version: `Python ${stdout.trim()}`,
      }
    }
    reason = stderr?.trim().split('\n').at(-1) || reason
  }
  return { kind: 'absent', reason: `${reason} (${PYTHON_INSTALL})` }
}

function pythons(): string[] {
  const { BENCH_PYTHON } = process.env
  return BENCH_PYTHON === undefined ? ['python3', '/usr/bin/python3'] : [BENCH_PYTHON]
}

function debianVersion(name: string): string {
  const { status, stdout } = spawnSync('dpkg-query', ['--status', name], { encoding: 'utf8' })
  return (status === 0 && /^Version: (.+)$/m.exec(stdout)?.[1]) || 'of unknown version'
}
