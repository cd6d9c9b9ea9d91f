import { globSync } from 'node:fs'
import { basename, join } from 'node:path'
import { REPOSITORY_ROOT } from '@reference/cli'
import { SERVICES, type ServiceName } from '@reference/shop/services'

export const SERVICE_NAMES = Object.keys(SERVICES) as ServiceName[]

/** The folder of a service's sources. */
export function homeOf(service: ServiceName): string {
  return join(REPOSITORY_ROOT, 'services', service, 'src')
}

/**
 * The programs that run in the image of a service: its processes and commands, by the name of their bundle. `migrate` runs before
 * a release, and `seed` on the same image; `telemetry` is for `node --import`.
 */
export function programsOf(service: ServiceName): Record<string, string> {
  const own = globSync('{main,worker,commands/*}.ts', { cwd: homeOf(service) })
    .filter((file) => !file.endsWith('.test.ts'))
    .map((file): [string, string] => [basename(file, '.ts'), join(homeOf(service), file)])
  const shared = Object.entries(SHARED).filter(([, { beside }]) => own.some(([name]) => name === beside))
  return Object.fromEntries(
    [
      ...own,
      ...shared.map(([name, { source }]): [string, string] => [name, join(REPOSITORY_ROOT, source)]),
    ].sort(([a], [b]) => (a < b ? -1 : 1)),
  )
}

/** Programs of packages, and the program of a service beside which each is needed. */
const SHARED = {
  seed: { source: 'packages/shop/src/commands/seed.ts', beside: 'migrate' },
  telemetry: { source: 'packages/telemetry/src/register.ts', beside: 'main' },
} as const
