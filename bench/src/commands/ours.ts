import type { ServiceName } from '@reference/shop/services'
import type { ProcessPlan } from '../stack/process.ts'
import { type Build, fileOf, servicePlan } from '../stack/server.ts'
import type { BenchStack } from '../stack/stack.ts'

/** A service of this repository as a process of a comparison. */
export function ourProcess(
  service: ServiceName,
  { stack, build, folder }: { stack: BenchStack; build: Build; folder: string },
  name: string,
  settings: Readonly<Record<string, string>> = {},
): ProcessPlan {
  const environment = { ...stack.environment, ...settings }
  return { ...servicePlan(service, fileOf(service, build, folder), { folder, environment }), name }
}
