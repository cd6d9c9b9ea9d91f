import { execFile, spawn } from 'node:child_process'
import { hash, randomBytes } from 'node:crypto'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import { promisify } from 'node:util'
import { openState } from '@reference/tools/prod'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')

/** Production's observers that have an image on a machine without a registry. Grafana, Loki, Alloy, Tempo and cAdvisor have none. */
export const OBSERVERS = [
  'prometheus',
  'alertmanager',
  'nginx-exporter',
  'postgres-exporter',
  'postgres-replica-exporter',
  'pgbouncer-exporter',
  'redis-exporter',
  'node-exporter',
]

/** The receiver of alerts, and services that only development has. */
const BESIDE = ['alert-receiver', 'mysqld-exporter', 'mysql', 'rabbitmq']

export interface Sample {
  metric: Record<string, string>
  value: [time: number, value: string]
}

/** An alert in a message to the webhook. */
export interface Received {
  readonly name: string
  readonly status: string
  readonly labels: Record<string, string>
  readonly summary: string
}

/** An alert in Alertmanager's JSON. */
interface Message {
  status: string
  labels: Record<string, string>
  annotations: Record<string, string>
}

/** A process in a container. */
export interface Open {
  readonly stdin: Writable
  /** Ends the input of the process, and resolves when the process has ended. */
  end(): Promise<void>
}

export interface Observed {
  readonly url: string
  readonly token: string
  readonly prometheusUrl: string
  compose(...args: string[]): Promise<string>
  /** Kills one container of a service, with its restart policy off; resolves with a function that starts it again. */
  kill(service: string): Promise<() => Promise<unknown>>
  /** Starts a command in the first container of a service. The command has to end with its input. */
  open(service: string, ...command: string[]): Open
  /** Runs an instant query. */
  query(expression: string): Promise<Sample[]>
  prometheus(path: string): Promise<unknown>
  /** Alerts that reached the webhook, in the order of their messages. */
  received(): Promise<Received[]>
  close(): Promise<void>
}

/** Starts a production of its own with its observers, and the services that only development has. */
export async function startObserved(shorten: (text: string, file: string) => string): Promise<Observed> {
  const project = `observed-${randomBytes(3).toString('hex')}`
  const folder = mkdtempSync(join(tmpdir(), `${project}-`))
  const databases = readFileSync(join(root, 'infra/pgbouncer/databases.production.ini'), 'utf8')
  const state = openState(join(folder, 'state'), databases)
  state.create()
  const token = randomBytes(18).toString('base64url')
  state.addToken('test', hash('sha256', token), 'admin')
  writeSecrets(state.folder)
  const observed = join(folder, 'prometheus')
  writeConfig(observed, shorten)

  const port = 20_000 + Math.floor(Math.random() * 9_000)
  const env = {
    ...process.env,
    COMPOSE_PROJECT_NAME: project,
    PROD_STATE: state.folder,
    OBSERVED: observed,
    REPLICAS: '2',
    TRACES: '1',
    HTTP_PORT: `${port}`,
    PROMETHEUS_PORT: `${port + 1}`,
    ALERTMANAGER_PORT: `${port + 2}`,
    REDIS_EXPORTER_USER: 'admin',
    NGINX_RATE: '100000',
    NGINX_BURST: '100000',
    RATE_LIMIT_RPS: '1000000',
  }
  const files = [
    'docker-compose.prod.yml',
    'docker-compose.observability.yml',
    'tests/observability/compose.yml',
  ]
  const composed = (...args: string[]) => [
    'compose',
    ...files.flatMap((file) => ['--file', file]),
    ...['--profile', '*'],
    ...args,
  ]
  const compose = async (...args: string[]) => {
    const { stdout } = await run('docker', composed(...args), { cwd: root, env, maxBuffer: 64 * 1024 * 1024 })
    return stdout
  }
  const show = (...args: string[]) =>
    new Promise<void>((resolve, reject) => {
      const child = spawn('docker', composed(...args), {
        cwd: root,
        env,
        stdio: ['ignore', 'ignore', 'inherit'],
      })
      child.once('error', reject)
      child.once('close', (code) =>
        code === 0 ? resolve() : reject(new Error(`compose ${args[0]}: ${code}`)),
      )
    })
  const prometheusUrl = `http://127.0.0.1:${port + 1}`

  const stack: Observed = {
    token,
    url: `http://127.0.0.1:${port}`,
    prometheusUrl,
    compose,
    async kill(service) {
      const [id = ''] = (await compose('ps', '--quiet', service)).split('\n')
      await run('docker', ['update', '--restart', 'no', id])
      await run('docker', ['kill', id])
      return async () => {
        await run('docker', ['update', '--restart', 'unless-stopped', id])
        await run('docker', ['start', id])
      }
    },
    open(service, ...command) {
      const child = spawn('docker', composed('exec', '-T', service, ...command), {
        cwd: root,
        env,
        stdio: ['pipe', 'ignore', 'inherit'],
      })
      const ended = new Promise<void>((resolve, reject) => {
        child.once('error', reject)
        child.once('close', () => resolve())
      })
      return {
        stdin: child.stdin,
        end() {
          child.stdin.end()
          return ended
        },
      }
    },
    async prometheus(path) {
      const answer = (await (await fetch(`${prometheusUrl}/api/v1/${path}`)).json()) as {
        status: string
        error?: string
        data: unknown
      }
      if (answer.status !== 'success') throw new Error(`${path}: ${answer.error}`)
      return answer.data
    },
    async query(expression) {
      const data = (await stack.prometheus(`query?query=${encodeURIComponent(expression)}`)) as {
        resultType: string
        result: Sample[] | Sample['value']
      }
      return data.resultType === 'vector'
        ? (data.result as Sample[])
        : [{ metric: {}, value: data.result as Sample['value'] }]
    },
    async received() {
      const log = await compose('logs', '--no-log-prefix', 'alert-receiver')
      const messages = log.split('\n').filter((line) => line.startsWith('{"receiver"'))
      return messages.flatMap((line) =>
        (JSON.parse(line).alerts as Message[]).map(({ status, labels, annotations }) => ({
          name: labels.alertname ?? '',
          status,
          labels,
          summary: annotations.summary ?? '',
        })),
      )
    },
    async close() {
      await compose('down', '--volumes', '--remove-orphans', '--timeout', '1').catch(() => {})
      rmSync(folder, { recursive: true, force: true })
    },
  }
  try {
    const inspect = [
      'image',
      'inspect',
      'reference-api:local',
      'parallel-api:local',
      'reference/pgbouncer:1.24.1',
    ]
    const built = await run('docker', inspect).then(
      () => true,
      () => false,
    )
    // CI needs images of this commit. A run by hand may use the images of the last build.
    if (!built || process.env.CI) {
      await show(...['build', 'reference-api', 'parallel-api', 'pgbouncer'])
    }
    await show(
      'up',
      '--detach',
      '--no-build',
      '--wait',
      '--wait-timeout',
      '300',
      ...OBSERVERS,
      ...BESIDE,
      'nginx',
      'worker',
      'postgres-replica',
    )
    await compose(
      ...['run', '--rm', '--no-deps', 'migrate', 'node', 'dist/reference-api/seed.js'],
      ...['--users', '2000', '--products', '100', '--orders', '5000'],
    )
    return stack
  } catch (error) {
    await stack.close()
    throw error
  }
}

function writeSecrets(folder: string): void {
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text, { mode: 0o444 })
  for (const name of ['postgres_exporter_password', 'mysql_exporter_password', 'mysql_root_password']) {
    write(name, randomBytes(18).toString('base64url'))
  }
  const password = readFileSync(join(folder, 'redis_admin_password'), 'utf8')
  const nodes = [1, 2, 3, 4, 5, 6].map((node) => [`redis://admin@redis-${node}:6379`, password])
  write('redis_exporter_passwords', JSON.stringify(Object.fromEntries(nodes)))
}

const CONFIGURATION = [
  'prometheus.yml',
  'jobs/apis.production.yml',
  'jobs/systems.yml',
  'rules/alerts.yml',
  'rules/production.yml',
  'rules/recording.yml',
]

/** Writes the shipped files with shorter durations. */
function writeConfig(folder: string, shorten: (text: string, file: string) => string): void {
  cpSync(join(root, 'infra/prometheus'), folder, { recursive: true })
  for (const name of CONFIGURATION) {
    const path = join(folder, name)
    writeFileSync(path, shorten(readFileSync(path, 'utf8'), name))
  }
  const alertmanager = readFileSync(join(root, 'infra/alertmanager/alertmanager.yml'), 'utf8')
  writeFileSync(join(folder, 'alertmanager.yml'), shorten(alertmanager, 'alertmanager.yml'))
}
