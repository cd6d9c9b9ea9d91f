import { spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '@reference/local-stack'
import { root, runTap } from '../tap.ts'
import { capacity, reads } from '../testing/load.ts'

/**
 * The test files in the order in which they run: the cluster is checked before it is broken, and the tests that change it
 * most come last. `long` ones run in .ci/nightly, and by name.
 */
const FILES = [
  { name: 'front' },
  { name: 'images', long: true },
  { name: 'fuzz', long: true },
  { name: 'replicas' },
  { name: 'slot', long: true },
  { name: 'stores', long: true },
  { name: 'releases', long: true },
  { name: 'commands', long: true },
  { name: 'synchronous', long: true },
  { name: 'throughput', long: true },
  { name: 'failover', long: true },
  { name: 'backup', long: true },
  { name: 'observers', long: true },
] as const

const HELP = `pnpm test:prod [part of a file's name …] [--long]

Start a production of its own from docker-compose.prod.yml on a free port of 127.0.0.1, inject faults under load, and
remove it. Needs a Docker engine with compose. Without a name it runs the files of CI, in about four minutes on two
cores; with --long also releases, faults of the data stores, interrupted deploys and the throughput. The last line is
"N passed, N failed".
`

/**
 * The load, at most. The replicas that these tests start need the processors, too: with 300 a second, ten replicas on two
 * cores took 120 s to start, and requests waited until nginx gave up.
 */
const MOST_PER_SECOND = 150
/** The load as a share of what the machine can answer. */
const SHARE_OF_CAPACITY = 1 / 4
const APIS = ['reference-api', 'parallel-api']

function child(
  command: string,
  args: string[],
  env: NodeJS.ProcessEnv,
  { keep = false } = {},
): Promise<{ code: number; out: string }> {
  return new Promise((resolve, reject) => {
    const started = spawn(command, args, {
      cwd: root,
      env,
      stdio: ['ignore', keep ? 'pipe' : 'inherit', 'inherit'],
    })
    let out = ''
    started.stdout?.on('data', (chunk: Buffer) => {
      out += chunk
    })
    started.once('error', reject)
    started.once('close', (code) => resolve({ code: code ?? 1, out }))
  })
}

function filesOf(names: readonly string[], long: boolean): string[] {
  const chosen = FILES.filter((file) =>
    names.length > 0 ? names.some((name) => file.name.includes(name)) : long || !('long' in file),
  )
  return chosen.map(({ name }) => `tests/prod/${name}.test.ts`)
}

async function main(args: string[]): Promise<number> {
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(HELP)
    return 0
  }
  const names = args.filter((argument) => !argument.startsWith('-'))
  const unknown = args.find((argument) => argument.startsWith('-') && !['--', '--long'].includes(argument))
  const files = filesOf(names, args.includes('--long'))
  if (unknown !== undefined || files.length === 0) {
    const fault =
      unknown === undefined ? `No file of tests/prod matches ${names.join(' ')}` : `No option ${unknown}`
    process.stderr.write(`${fault}\n\n${HELP}`)
    return 64
  }
  if (spawnSync('docker', ['version']).status !== 0) {
    process.stderr.write('No Docker engine answers. These tests need it; `pnpm test` does not.\n')
    return 69
  }
  return withProduction(async (origin, env) => {
    const most = await capacity(origin, reads)
    const rate = Math.max(10, Math.min(MOST_PER_SECOND, Math.round(most * SHARE_OF_CAPACITY)))
    process.stdout.write(`capacity ${Math.round(most)} requests/s, load ${rate} requests/s\n`)
    return runTap(files, {
      jobs: 1,
      timeoutSeconds: 900,
      env: { ...env, PROD_TEST_RATE: String(rate) },
    })
  })
}

/** Starts a seeded production, and removes everything of it afterwards. */
async function withProduction(
  work: (origin: string, env: NodeJS.ProcessEnv) => Promise<number>,
): Promise<number> {
  const project = `reference-test-${randomBytes(3).toString('hex')}`
  const state = mkdtempSync(join(tmpdir(), `${project}-`))
  const port = await freePort()
  const env = {
    ...process.env,
    COMPOSE_PROJECT_NAME: project,
    PROD_STATE: state,
    HTTP_ADDRESS: '127.0.0.1',
    HTTP_PORT: String(port),
    // All load comes from one client address.
    NGINX_RATE: '100000',
    NGINX_BURST: '100000',
    RATE_LIMIT_RPS: '1000000',
    NGINX_CONNECTIONS: '10000',
  }
  const prod = (...line: string[]) =>
    child(process.execPath, [join(root, 'tools/prod/main.ts'), ...line], env, { keep: line[0] === 'token' })
  // Ctrl-C reaches the children directly. This process must survive it, to remove everything.
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => {})
  try {
    const token = (await prod('token', 'tests', 'admin')).out.trim()
    if ((await prod('up', '--seed')).code !== 0) return 1
    return await work(`http://127.0.0.1:${port}`, { ...env, PROD_TEST_TOKEN: token })
  } finally {
    await prod('down', '--volumes')
    // Remove the images that the deploys of the tests have built.
    for (const api of APIS) {
      const { out } = await child(
        'docker',
        ['image', 'ls', '--format', '{{.Repository}}:{{.Tag}}', api],
        env,
        {
          keep: true,
        },
      )
      const made = out.split('\n').filter((image) => image.startsWith(`${api}:${project}-`))
      if (made.length > 0) await child('docker', ['rmi', '--force', ...made], env, { keep: true })
    }
    rmSync(state, { recursive: true, force: true })
  }
}

process.exitCode = await main(process.argv.slice(2))
