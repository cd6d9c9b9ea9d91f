import { join } from 'node:path'
import { REPOSITORY_ROOT } from '@reference/cli'
import { SERVICES, type ServiceName } from '@reference/shop/services'
import { type ProcessPlan, type RunningProcess, startProcess } from './process.ts'

/** A service in a fresh process, started as in production. */
export type Server = RunningProcess

type StartOptions = Parameters<typeof startProcess>[1]

interface ServerOptions extends StartOptions {
  readonly service: ServiceName
  /** Settings as environment variables; all others have their defaults. */
  readonly environment: Readonly<Record<string, string>>
}

/** Starts `services/<name>/src/main.ts` on a free port and waits until it is ready. */
export function startServer({ service, environment, ...options }: ServerOptions): Promise<Server> {
  const { folder } = options
  return startProcess(servicePlan(service, SERVICES[service].main, { folder, environment }), options)
}

/**
 * A service of this repository as a process.
 *
 * @param file its source or its bundle
 */
export function servicePlan(
  service: ServiceName,
  file: string,
  { folder, environment }: Pick<ServerOptions, 'folder' | 'environment'>,
): ProcessPlan {
  return {
    name: service,
    command: [process.execPath, file],
    cwd: REPOSITORY_ROOT,
    readyPath: '/ready',
    environment: { AUTH: 'off', NODE_COMPILE_CACHE: compileCache(folder), ...environment },
  }
}

/** Modules compiled by an earlier boot, for every process of Node alike: a boot is then a third faster, and nothing else changes. */
export function compileCache(folder: string): string {
  return join(folder, 'compile-cache')
}
