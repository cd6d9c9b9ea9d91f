import { spawnSync } from 'node:child_process'
import { accessSync, constants, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'

const launcher = fileURLToPath(new URL('run.js', import.meta.url))

/** A clone that holds the launcher and one script, and is pinned to a Node of the given version. */
function cloneOf(t: Test, version: string): string {
  const clone = join(t.testdir({}), 'Jürgen Müller')
  mkdirSync(join(clone, 'tools'), { recursive: true })
  copyFileSync(launcher, join(clone, 'tools/run.js'))
  const manifest = { type: 'module', packageManager: 'pnpm@1.2.3', devDependencies: { node: version } }
  writeFileSync(join(clone, 'package.json'), JSON.stringify(manifest))
  writeFileSync(
    join(clone, 'script.ts'),
    `const args: string[] = process.argv.slice(1)
process.stdout.write(JSON.stringify({ args, execArgv: process.execArgv }))
process.exitCode = 7`,
  )
  return clone
}

const run = (clone: string, node = process.execPath) =>
  spawnSync(node, ['tools/run.js', 'script.ts', '--option', 'x y'], { cwd: clone, encoding: 'utf8' })

t.test('on the pinned Node the script runs as if it had been started itself', async (t) => {
  const clone = cloneOf(t, process.versions.node)
  const { status, stdout } = run(clone)
  t.equal(status, 7)
  t.same(JSON.parse(stdout), { args: [join(clone, 'script.ts'), '--option', 'x y'], execArgv: [] })
})

t.test('a missing package is named, with the line to type', async (t) => {
  const clone = cloneOf(t, process.versions.node)
  writeFileSync(join(clone, 'script.ts'), "import 'absent-package'")
  const { status, stdout, stderr } = run(clone)
  t.match({ status, stdout }, { status: 78, stdout: '' })
  t.match(stderr, /^The package absent-package is not installed.*\n {2}npx -y pnpm@1\.2\.3 install\n/s)
  writeFileSync(join(clone, 'script.ts'), "import './absent.ts'")
  t.match(run(clone), { status: 1, stderr: /ERR_MODULE_NOT_FOUND/ }, 'a missing file is a fault of the code')
})

t.test('an older Node is refused with what is missing and the line to type', async (t) => {
  const clone = cloneOf(t, '999.1.0')
  const refused = (what: RegExp) => {
    const { status, stdout, stderr } = run(clone)
    t.match({ status, stdout }, { status: 78, stdout: '' })
    t.match(
      stderr,
      `needs Node 999.1.0, which comes with the npm package \`node\`; it was started with Node ${process.versions.node}`,
    )
    t.match(stderr, what)
  }
  refused(/packages are not installed.*\n {2}npx -y pnpm@1\.2\.3 install\n/s)
  mkdirSync(join(clone, 'node_modules/node'), { recursive: true })
  refused(/ignore-scripts.*\n {2}pnpm_config_ignore_scripts=false npx -y pnpm@1\.2\.3 rebuild\n/s)
  mkdirSync(join(clone, 'node_modules/node/bin'))
  writeFileSync(join(clone, 'node_modules/node/bin/node'), '')
  refused(/not started with it.*\n {2}npx -y pnpm@1\.2\.3 <script>\n/s)
})

t.test('a pinned Node that does not start is reported at the end of the installation', async (t) => {
  const { scripts } = JSON.parse(readFileSync(join(import.meta.dirname, '../package.json'), 'utf8'))
  const bin = t.testdir({})
  const install = (node: string) => {
    writeFileSync(join(bin, 'node'), node, { mode: 0o755 })
    return spawnSync('/bin/sh', ['-c', scripts.postinstall], { env: { PATH: bin }, encoding: 'utf8' })
  }
  t.match(install('#!/bin/sh\nexit 127\n'), {
    status: 1,
    stdout: /^The pinned Node does not start.*TROUBLESHOOTING\.md.* apt-get install -y libatomic1\n$/,
  })
  t.match(install('#!/bin/sh\nexit 0\n'), { status: 0, stdout: '' })
})

/** The Node that starts pnpm: the first on PATH of an older version. */
function olderNode(): string | undefined {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const node = join(folder, 'node')
    try {
      accessSync(node, constants.X_OK)
    } catch {
      continue
    }
    const major = Number(/^v(\d+)/.exec(spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout)?.[1])
    if (major < Number(process.versions.node.split('.')[0])) return node
  }
  return undefined
}

const older = olderNode()
t.test(
  'the launcher itself runs on the Node that starts pnpm',
  { skip: older === undefined && 'there is no older Node on PATH' },
  async (t) => {
    const { status, stderr } = run(cloneOf(t, process.versions.node), older)
    t.equal(status, 78)
    t.match(stderr, /^This command needs Node/)
    t.notMatch(stderr, /ERR_UNKNOWN_FILE_EXTENSION|^ {4}at /m)
  },
)

t.test('every script of package.json that runs TypeScript runs it by the launcher', async (t) => {
  const { scripts } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  for (const [name, command] of Object.entries<string>(scripts)) {
    if (/\.ts\b/.test(command) && !command.startsWith('drizzle-kit ')) {
      t.match(command, /^node tools\/run\.js \S+\.ts$/, name)
    }
  }
})
