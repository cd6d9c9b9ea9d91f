/** The published ports in the output of `docker compose config`. */
export function publishedPorts(config: {
  services?: Record<string, { ports?: { published?: string | number }[] }>
}): { port: number; service: string }[] {
  return Object.entries(config.services ?? {}).flatMap(([service, { ports = [] }]) =>
    ports.flatMap(({ published }) => {
      const port = Number(published)
      return Number.isInteger(port) && port > 0 ? [{ port, service }] : []
    }),
  )
}

const UNITS: Record<string, number> = {
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
}

/** `1.2GB`, `512MiB`, `0B` as Docker writes them → bytes; NaN for anything else. */
export function parseSize(text: string): number {
  const [, figure = '', unit = ''] = /^([\d.]+)\s*([kKMGT]?i?B)$/.exec(text.trim()) ?? []
  return Number(figure || Number.NaN) * (UNITS[unit] ?? Number.NaN)
}

/** `always [madvise] never` → `madvise`. */
export function chosenOf(text: string): string {
  return /\[(\w+)\]/.exec(text)?.[1] ?? text
}

/** Whether a version is at least another. Compares the first three numbers: `2.40.3-3`, `v2.24`, `20.10.24+dfsg1`. */
export function isAtLeast(version: string, least: string): boolean {
  const numbers = (text: string) => (text.match(/\d+/g) ?? []).slice(0, 3).map(Number)
  const [a, b] = [numbers(version), numbers(least)]
  for (let at = 0; at < 3; at++) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0)
    if (difference !== 0) return difference > 0
  }
  return true
}
