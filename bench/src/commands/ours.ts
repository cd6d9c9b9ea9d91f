import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { REPOSITORY_ROOT } from '@reference/cli'
import { SERVICES, type ServiceName } from '@reference/shop/services'
import type { ProcessPlan } from '../duet/process.ts'
import type { BenchStack } from '../stack/stack.ts'

/** Which files of a service are started. */
export type Build = 'dist' | 'sources'

/** The bundle that `pnpm build` wrote, where there is one, since that is what production runs. */
export function availableBuilds(): Build[] {
  return existsSync(bundleOf('reference-api')) ? ['dist', 'sources'] : ['sources']
}

/** A service of this repository as a process of a comparison. */
export function ourProcess(
  service: ServiceName,
  { stack, build, folder }: { stack: BenchStack; build: Build; folder: string },
  name: string,
  settings: Readonly<Record<string, string>> = {},
): ProcessPlan {
  return {
    name,
    command: [process.execPath, build === 'dist' ? bundleOf(service) : SERVICES[service].main],
    cwd: REPOSITORY_ROOT,
    readyPath: '/ready',
    environment: {
      ...stack.environment,
      AUTH: 'off',
      NODE_COMPILE_CACHE: compileCache(folder),
      ...settings,
    },
  }
}

/** Modules compiled by an earlier start, for every process of Node alike. */
export function compileCache(folder: string): string {
  return join(folder, 'compile-cache')
}

function bundleOf(service: ServiceName): string {
  return join(REPOSITORY_ROOT, 'dist', service, 'main.js')
}
