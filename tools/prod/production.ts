import { hash } from 'node:crypto'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { CommandError, REPOSITORY_ROOT } from '@reference/cli'
import { docker } from './docker.ts'
import { openState, type State } from './state.ts'

export const APIS = ['reference-api', 'parallel-api'] as const

/** Port of `/ready` and `/metrics` inside the container of each service. */
const INTERNAL_PORT = 9000

export interface Container {
  id: string
  name: string
  image: string
  service: string
}

/** One production: a compose project and its state. */
export interface Production {
  readonly project: string
  readonly state: State
  /** `docker compose …` of this project. */
  compose(
    args: readonly string[],
    options?: { show?: boolean; env?: Record<string, string> },
  ): Promise<string>
  /** The running containers of a service, or with `all` every container of it, oldest first. */
  containers(service: string, options?: { all?: boolean }): Promise<Container[]>
  /** Runs a command in a container of the service (the first one), or in that one. */
  exec(service: string | Container, command: readonly string[]): Promise<string>
  /** Requests a path from one container over its internal port; undefined without an answer. */
  ask(container: Container, path: string): Promise<{ status: number; body: string } | undefined>
  replicas(): number
}

/**
 * @param environment `COMPOSE_PROJECT_NAME` names the project, `PROD_STATE` the folder of its state; the compose file lists the
 * other variables
 */
export function openProduction(environment: NodeJS.ProcessEnv = process.env): Production {
  const project = environment.COMPOSE_PROJECT_NAME || 'reference-production'
  const folder = environment.PROD_STATE || join(REPOSITORY_ROOT, 'secrets/production')
  const databases = readFileSync(join(REPOSITORY_ROOT, 'infra/pgbouncer/databases.production.ini'), 'utf8')
  const state = openState(folder, databases)

  const production: Production = {
    project,
    state,
    compose(args, { show = false, env = {} } = {}) {
      const settings = state.exists() ? state.settings() : {}
      const observed = settings.OBSERVABILITY === 'on'
      const names = ['docker-compose.prod.yml', ...(observed ? ['docker-compose.observability.yml'] : [])]
      const files = names.flatMap((name) => ['--file', join(REPOSITORY_ROOT, name)])
      return docker(['compose', '--project-name', project, ...files, ...args], {
        cwd: REPOSITORY_ROOT,
        show,
        env: {
          // The flag names the project. With the variable as well, `logs` of an unknown service would exit with 0.
          COMPOSE_PROJECT_NAME: '',
          PROD_STATE: folder,
          NGINX_FILES: nginxFiles(),
          ...(observed && { COMPOSE_PROFILES: 'observability,observability-production' }),
          ...settings,
          ...env,
        },
      })
    },
    async containers(service, { all = false } = {}) {
      const filters = [`com.docker.compose.project=${project}`, `com.docker.compose.service=${service}`]
      const out = await docker([
        'ps',
        ...(all ? ['--all'] : ['--filter', 'status=running']),
        '--no-trunc',
        '--format',
        '{{.ID}}\t{{.Names}}\t{{.Image}}',
        ...['com.docker.compose.oneoff=False', ...filters].flatMap((label) => ['--filter', `label=${label}`]),
      ])
      const rows = out === '' ? [] : out.split('\n').map((line) => line.split('\t'))
      return rows.map(([id = '', name = '', image = '']) => ({ id, name, image, service })).reverse()
    },
    async exec(service, command) {
      const id = typeof service === 'string' ? await firstOf(production, service) : service.id
      return docker(['exec', id, ...command])
    },
    async ask(container, path) {
      // A shell uses less CPU than a Node process: a deploy polls six replicas repeatedly.
      const script = `exec 3<>/dev/tcp/127.0.0.1/${INTERNAL_PORT} && printf 'GET %s HTTP/1.0\\r\\n\\r\\n' "$0" >&3 && cat <&3`
      const command = ['exec', container.id, 'timeout', '5', 'bash', '-c', script, path]
      const answer = await docker(command).catch(() => '')
      const end = answer.indexOf('\r\n\r\n')
      const status = /^HTTP\/1\.\d (\d{3})/.exec(answer)?.[1]
      return status === undefined ? undefined : { status: Number(status), body: answer.slice(end + 4) }
    },
    replicas: () => Number(state.settings().REPLICAS ?? environment.REPLICAS ?? 3),
  }
  return production
}

/** A hash of nginx's files, which recreates its container when one changes. */
function nginxFiles(): string {
  const files = globSync('infra/nginx/**/*.{conf,template}', { cwd: REPOSITORY_ROOT }).sort()
  return hash('sha256', files.map((file) => readFileSync(join(REPOSITORY_ROOT, file), 'utf8')).join('\0'))
}

async function firstOf(production: Production, service: string): Promise<string> {
  const [first] = await production.containers(service)
  if (first === undefined) throw new CommandError(`no container of ${service} runs`)
  return first.id
}
