import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { REPOSITORY_ROOT } from '@reference/cli'
import { SERVICES, type ServiceName } from '@reference/shop/services'
import type { ProcessPlan } from '../stack/process.ts'
import { servicePlan } from '../stack/server.ts'
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
  const file = build === 'dist' ? bundleOf(service) : SERVICES[service].main
  const environment = { ...stack.environment, ...settings }
  return { ...servicePlan(service, file, { folder, environment }), name }
}

function bundleOf(service: ServiceName): string {
  return join(REPOSITORY_ROOT, 'dist', service, 'main.js')
}
