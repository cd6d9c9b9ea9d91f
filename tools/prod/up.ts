import { APIS, type Production } from './production.ts'

/** Makes what is missing, starts everything and waits for health; `seed` fills an empty database. */
export async function up(production: Production, options: { seed: boolean; build: boolean }): Promise<void> {
  const { state } = production
  state.create()
  if (options.build) await production.compose(['build', ...APIS, 'pgbouncer'], { show: true })
  // The one-shot services end; --wait is for those that stay.
  await production.compose(
    ['up', '--detach', '--no-build', '--remove-orphans', '--wait', '--wait-timeout', '300'],
    {
      show: true,
    },
  )
  if (options.seed) {
    await production.compose(
      ['run', '--rm', '--no-deps', 'migrate', 'node', 'packages/database/src/commands/seed.ts'],
      { show: true },
    )
  }
}

/** @param purge the data and the state too */
export async function down(production: Production, options: { volumes: boolean }): Promise<void> {
  await production.compose(['down', '--remove-orphans', ...(options.volumes ? ['--volumes'] : [])], {
    show: true,
  })
}
