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
  /** Default: the bundle. */
  readonly build?: Build
}

/** Starts a service on a free port and waits until it is ready. */
export function startServer({
  service,
  environment,
  build = 'dist',
  ...options
}: ServerOptions): Promise<Server> {
  const { folder } = options
  return startProcess(servicePlan(service, fileOf(service, build, folder), { folder, environment }), options)
}

/** Which files of a service are started: the bundle, which is what production runs, or its sources. */
export type Build = 'dist' | 'sources'

/** The main file of a service. `folder` is the one of the run, which holds the bundles. */
export function fileOf(service: ServiceName, build: Build, folder: string): string {
  return build === 'dist' ? join(bundleFolder(folder), service, 'main.js') : SERVICES[service].main
}

/** Where a run bundles the services. */
export function bundleFolder(folder: string): string {
  return join(folder, 'dist')
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
