import { APIS, type Production } from './production.ts'

/** Sets how many replicas each API has; nginx sees it within a second. */
export async function scale(production: Production, replicas: number): Promise<void> {
  production.state.set('REPLICAS', String(replicas))
  await production.compose(
    [
      'up',
      '--detach',
      '--no-build',
      '--no-deps',
      '--no-recreate',
      '--wait',
      '--wait-timeout',
      '120',
      ...APIS,
    ],
    { show: true },
  )
}
