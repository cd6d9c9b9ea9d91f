import { type DuetArguments, runDuet } from './duet-command.ts'
import { planFloor } from './floor-groups.ts'
import { versionOf } from './floor-tools.ts'

/**
 * `bench floor`: each path beside the least work that could answer it.
 *
 * @returns the exit code
 */
export function floor(args: DuetArguments, signal: AbortSignal): Promise<number> {
  const build = args.build ?? 'dist'
  return runDuet(
    'floor',
    args,
    async (bench) => {
      const pgbench = versionOf('pgbench')
      const versions = { 'our files': build, ...(pgbench && { pgbench }) }
      return { ...(await planFloor(bench, build)), versions }
    },
    signal,
  )
}
