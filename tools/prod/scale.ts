import { CommandError } from '@reference/cli'
import { recover } from './deploy.ts'
import { APIS, type Production } from './production.ts'
import { isAnythingThere } from './up.ts'

/** Sets the number of replicas of each API; nginx follows within a second. */
export async function scale(
  production: Production,
  replicas: number,
  log: (line: string) => void,
): Promise<void> {
  if (!(await isAnythingThere(production))) throw new CommandError('nothing runs: pnpm prod up')
  await recover(production, log)
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
      '300',
      ...APIS,
    ],
    { show: true },
  )
}
