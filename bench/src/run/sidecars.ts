import { whyNoContainers } from '../stack/docker.ts'
import type { SidecarKind } from '../stack/sidecar.ts'
import type { Scenario } from './scenario.ts'

/** The kinds of sidecar that a scenario needs. */
export function sidecarsOf({ tuned, variants }: Scenario): SidecarKind[] {
  const kinds = [tuned, ...variants].flatMap(({ front, pooler }) => [front, pooler])
  return [...new Set(kinds.filter((kind) => kind !== undefined))]
}

/**
 * Makes the images of all sidecars available.
 *
 * @returns why scenarios cannot run on this machine, by their names; such a scenario is no error
 */
export async function prepareSidecars(
  scenarios: readonly Scenario[],
  say: (step: string) => void,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const withSidecars = scenarios.filter((scenario) => sidecarsOf(scenario).length > 0)
  const noContainers = withSidecars.length > 0 ? whyNoContainers() : undefined
  const reasons = new Map<SidecarKind, string | undefined>()
  for (const kind of new Set(withSidecars.flatMap(sidecarsOf))) {
    if (noContainers === undefined) say(`image of ${kind.name}`)
    reasons.set(kind, noContainers ?? (await kind.prepare(signal)))
  }
  return new Map(
    withSidecars.flatMap((scenario) => {
      const reason = sidecarsOf(scenario)
        .map((kind) => reasons.get(kind))
        .find((text) => text !== undefined)
      return reason === undefined ? [] : [[scenario.name, reason] as const]
    }),
  )
}
