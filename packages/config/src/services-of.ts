import type { ServiceDefinition } from './setting.ts'

/** The services that read a setting: its owners, or all of them when it has none. */
export function servicesOf<Service extends ServiceDefinition>(
  setting: string,
  services: readonly Service[],
): readonly Service[] {
  const owners = services.filter(({ ownSettings }) => ownSettings?.includes(setting))
  return owners.length === 0 ? services : owners
}
