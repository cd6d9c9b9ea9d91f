import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { globSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { capacity, reads } from './load.ts'

const help = `pnpm test:prod [file …] [--long]

Starts production from docker-compose.prod.yml as a project of its own on a free port of 127.0.0.1, breaks it under load,
and takes it down. Needs a Docker engine with compose. Without a file: what CI runs; --long: the faults of the data stores
as well. The last line is "N passed, N failed".
`

const root = join(import.meta.dirname, '../..')
/** More would measure the generator, which shares the machine. */
const MOST_PER_SECOND = 300

function child(
  command: string,
  args: string[],
  env: NodeJS.ProcessEnv,
  { keep = false, show = false } = {},
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
      if (show) process.stdout.write(chunk)
    })
    started.once('error', reject)
    started.once('close', (code) => resolve({ code: code ?? 1, out }))
  })
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}

async function main(args: string[]): Promise<number> {
  if (args.includes('--help')) {
    process.stdout.write(help)
    return 0
  }
  const named = args.filter((argument) => !argument.startsWith('-'))
  const files = named.length > 0 ? named : globSync('tests/prod/*.test.ts', { cwd: root }).sort()
  const chosen =
    args.includes('--long') || named.length > 0 ? files : files.filter((file) => !file.includes('.long.'))
  const project = `reference-test-${randomBytes(3).toString('hex')}`
  const state = mkdtempSync(join(tmpdir(), `${project}-`))
  const port = await freePort()
  const env = {
    ...process.env,
    COMPOSE_PROJECT_NAME: project,
    PROD_STATE: state,
    HTTP_ADDRESS: '127.0.0.1',
    HTTP_PORT: String(port),
    // The load is one client.
    NGINX_RATE: '100000',
    NGINX_BURST: '100000',
    NGINX_CONNECTIONS: '10000',
    PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH ?? ''}`,
  }
  const prod = (...line: string[]) =>
    child(process.execPath, [join(root, 'tools/prod/main.ts'), ...line], env, { keep: line[0] === 'token' })
  // A Ctrl-C reaches the children by themselves; this process must live on to take everything down.
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => {})
  try {
    const token = (await prod('token', 'tests', 'admin')).out.trim()
    if ((await prod('up', '--seed')).code !== 0) return 1
    const most = await capacity(`http://127.0.0.1:${port}`, reads)
    const rate = Math.max(10, Math.min(MOST_PER_SECOND, Math.round(most / 2)))
    process.stdout.write(`capacity ${Math.round(most)} requests/s, load ${rate} requests/s\n`)
    const { code, out } = await child(
      join(root, 'node_modules/.bin/tap'),
      ['run', '--reporter=tap', '--disable-coverage', '--jobs=1', '--timeout=900', ...chosen],
      { ...env, PROD_TEST_RATE: String(rate), PROD_TEST_TOKEN: token },
      { keep: true, show: true },
    )
    // Tests stand one step in; files at the margin.
    const passed = out.match(/^ {4}ok \d+ - /gm)?.length ?? 0
    const failed = out.match(/^ {4}not ok \d+ - /gm)?.length ?? 0
    process.stdout.write(`\n${passed} passed, ${failed} failed\n`)
    return code !== 0 || failed > 0 || passed === 0 ? 1 : 0
  } finally {
    await prod('down', '--volumes')
    // Those that the deploys of the tests have made.
    const images = ['reference-api', 'parallel-api'].flatMap((api) =>
      ['next', 'broken'].map((release) => `${api}:${project}-${release}`),
    )
    await child('docker', ['rmi', '--force', ...images], env, { keep: true })
    rmSync(state, { recursive: true, force: true })
  }
}

process.exitCode = await main(process.argv.slice(2))
