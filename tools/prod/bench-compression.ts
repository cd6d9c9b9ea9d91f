import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openProduction } from './production.ts'

const HELP = `node tools/prod/bench-compression.ts

Compares compression in the APIs, compression in nginx, and no compression. Starts a production of its own with one replica and
requests pages of 100 orders through the published port with "accept-encoding: gzip", in alternating rounds. Prints answers
a second, bytes for each answer, and the ratio to the default (the APIs compress). Takes about five minutes.
`

const WAYS = {
  'the APIs': { COMPRESSION: 'on', NGINX_GZIP: 'off' },
  nginx: { COMPRESSION: 'off', NGINX_GZIP: 'on' },
  neither: { COMPRESSION: 'off', NGINX_GZIP: 'off' },
} as const
type Way = keyof typeof WAYS

const ROUNDS = 3
const CALLERS = 16
const WARM_UP_MS = 3000
const MEASURED_MS = 4000
const PATHS = ['', '&status=pending', '&status=paid', '&status=shipped', '&status=cancelled'].map(
  (filter) => `/orders?limit=100${filter}`,
)

if (process.argv.length > 2) {
  process.stdout.write(HELP)
  process.exit(process.argv[2] === '--help' ? 0 : 64)
}
const project = `reference-bench-${randomBytes(3).toString('hex')}`
const folder = mkdtempSync(join(tmpdir(), `${project}-`))
const port = 20_000 + Math.floor(Math.random() * 9000)
Object.assign(process.env, {
  ...{ COMPOSE_PROJECT_NAME: project, PROD_STATE: folder, HTTP_PORT: `${port}`, REPLICAS: '1' },
  ...{ NGINX_RATE: '100000', NGINX_BURST: '100000', NGINX_CONNECTIONS: '10000', RATE_LIMIT_RPS: '1000000' },
})
const production = openProduction()

const seen: Record<Way, { rate: number; bytes: number }[]> = { 'the APIs': [], nginx: [], neither: [] }
try {
  await prod('up', '--seed')
  for (let round = 0; round < ROUNDS; round += 1) {
    const names = Object.keys(WAYS) as Way[]
    for (const way of round % 2 === 0 ? names : names.reverse()) {
      await use(way)
      seen[way].push(await measure(way))
    }
  }
} finally {
  await prod('down', '--volumes')
  rmSync(folder, { recursive: true, force: true })
}
const mean = (values: number[]) =>
  Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length)
for (const [way, rounds] of Object.entries(seen)) {
  const ratios = rounds.map(({ rate }, round) => rate / (seen['the APIs'][round]?.rate ?? Number.NaN))
  const rate = Math.round(mean(rounds.map((one) => one.rate)))
  const each = ratios.map((ratio) => ratio.toFixed(2)).join(', ')
  process.stdout.write(
    `${way} compress: ${rate} answers/s, ${rounds[0]?.bytes} bytes each; ×${mean(ratios).toFixed(2)} (${each})\n`,
  )
}

function prod(...args: string[]): Promise<void> {
  const main = join(import.meta.dirname, '../../tools/prod/main.ts')
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'ignore', 'inherit'] })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) =>
      code === 0 ? resolve() : reject(new Error(`pnpm prod ${args[0]}: ${code}`)),
    )
  })
}

async function use(way: Way): Promise<void> {
  const services = ['reference-api', 'nginx']
  await production.compose(['up', '--detach', '--no-build', '--no-deps', '--wait', ...services], {
    env: WAYS[way],
  })
}

/** A closed loop; the warm-up does not count. */
async function measure(way: Way): Promise<{ rate: number; bytes: number }> {
  const agent = new Agent({ keepAlive: true, maxSockets: CALLERS })
  const from = performance.now() + WARM_UP_MS
  const end = from + MEASURED_MS
  let answers = 0
  let bytes = 0
  const caller = async (index: number) => {
    for (let next = index; performance.now() < end; next += 1) {
      const answer = await ask(PATHS[next % PATHS.length] ?? '/', agent)
      const expected = way === 'neither' ? undefined : 'gzip'
      if (answer.status !== 200 || answer.encoding !== expected)
        throw new Error(`${way}: ${answer.status}, ${answer.encoding}`)
      if (performance.now() < from) continue
      answers += 1
      bytes += answer.bytes
    }
  }
  await Promise.all(Array.from({ length: CALLERS }, (_, index) => caller(index)))
  agent.destroy()
  return { rate: answers / (MEASURED_MS / 1000), bytes: Math.round(bytes / answers) }
}

function ask(
  path: string,
  agent: Agent,
): Promise<{ status: number | undefined; encoding: string | undefined; bytes: number }> {
  return new Promise((resolve, reject) => {
    const headers = { 'accept-encoding': 'gzip' }
    request(`http://127.0.0.1:${port}${path}`, { agent, headers }, (response) => {
      let bytes = 0
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length
      })
      response.once('error', reject)
      response.once('end', () =>
        resolve({ status: response.statusCode, encoding: response.headers['content-encoding'], bytes }),
      )
    })
      .once('error', reject)
      .end()
  })
}
