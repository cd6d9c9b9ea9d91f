import { freePort } from '@reference/local-stack'
import { docker, uniqueName } from './docker.ts'

export interface Stack {
  name: string
  /** `docker compose …` with its profiles, in this project. */
  compose(args: string[], seconds?: number): Promise<string>
  /** Ports on 127.0.0.1. */
  ports: Record<(typeof PORT_NAMES)[number], number>
  down(): Promise<void>
}

const PORT_NAMES = [
  'POSTGRES_PORT',
  'PGBOUNCER_PORT',
  'REDIS_PORT',
  'API_PORT',
  'PARALLEL_API_PORT',
  'MYSQL_PORT',
  'MONGODB_PORT',
  'RABBITMQ_PORT',
  'RABBITMQ_MANAGEMENT_PORT',
  'VAULT_PORT',
] as const

/** Describes a development stack with a name and ports of its own. Nothing is started yet. */
export async function createStack(what: string, profiles: string[] = []): Promise<Stack> {
  const name = uniqueName(what)
  const ports = Object.fromEntries(
    await Promise.all(PORT_NAMES.map(async (port) => [port, await freePort()])),
  ) as Stack['ports']
  const env = Object.fromEntries(Object.entries(ports).map(([key, port]) => [key, `${port}`]))
  const call = (profiles: string[], args: string[], seconds = 120) =>
    docker(
      ['compose', '--project-name', name, ...profiles.flatMap((profile) => ['--profile', profile]), ...args],
      { env, seconds },
    )
  return {
    name,
    compose: (args, seconds) => call(profiles, args, seconds),
    ports,
    down: async () => {
      await call(['*'], ['down', '--volumes', '--remove-orphans', '--timeout', '20'])
    },
  }
}
