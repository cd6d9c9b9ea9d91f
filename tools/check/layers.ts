/**
 * Which workspace packages a package may import, by folder. `*` stands for all packages of a group.
 *
 * services → shop → platform → base. Platform packages do not know each other: a service connects them in its context.ts.
 */
export const GROUPS = {
  base: ['packages/async', 'packages/cli', 'packages/config', 'packages/errors', 'packages/postgres'],
  platform: [
    'packages/cache',
    'packages/database',
    'packages/http',
    'packages/jobs',
    'packages/probes',
    'packages/telemetry',
    'packages/threads',
    'packages/upstream',
  ],
  shop: ['packages/shop'],
  optional: ['packages/systems'],
  services: ['services/reference-api', 'services/parallel-api'],
  development: ['packages/local-stack', 'bench', 'infra', 'tools', 'tests'],
} as const

export type Group = keyof typeof GROUPS

/** The groups and single folders that the sources of a group may import. */
export const ALLOWED: Readonly<Record<Group, readonly string[]>> = {
  base: ['packages/errors'],
  platform: ['base'],
  shop: ['base', 'platform'],
  optional: ['base', 'platform'],
  services: ['base', 'platform', 'shop', 'optional'],
  development: ['base', 'platform', 'shop', 'optional', 'development'],
}

/** What a single folder may import beyond its group. `types` allows type imports only. */
export const EXCEPTIONS: readonly {
  readonly from: string
  readonly to: string
  readonly types?: true
  readonly reason: string
}[] = [
  {
    from: 'packages/config',
    to: 'packages/postgres',
    reason: 'a URL is checked by what will connect to it',
  },
  {
    from: 'packages/telemetry',
    to: 'platform',
    types: true,
    reason: 'traces are made from the events of the other packages, whose types describe them',
  },
]

/** Folders and files that support tests and benches: they may import any package that their manifest names. */
export const SUPPORT = /(^|\/)(testing|bench)\/|\.test\.ts$/
