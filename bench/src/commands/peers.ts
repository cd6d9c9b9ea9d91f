import { join } from 'node:path'
import { type DuetArguments, runDuet } from './duet-command.ts'
import { fastapiPeer, goPeer } from './peer-programs.ts'
import { type Peer, planPeers } from './peers-groups.ts'

/**
 * `bench peers`: our services beside the guide's own applications.
 *
 * @returns the exit code
 */
export function peers(args: DuetArguments, signal: AbortSignal): Promise<number> {
  const build = args.build ?? 'dist'
  return runDuet(
    'peers',
    args,
    async (bench) => {
      const all: readonly Peer[] = [
        // One thread of Go code, since each process has one core.
        { name: 'go', label: 'Go (gin)', program: goPeer(bench.folder), environment: { GOMAXPROCS: '1' } },
        {
          name: 'fastapi',
          label: 'FastAPI',
          program: fastapiPeer(),
          environment: { PYTHONPYCACHEPREFIX: join(bench.folder, 'pycache') },
        },
      ]
      const versions = Object.fromEntries(
        all.flatMap(({ label, program }) => (program.kind === 'absent' ? [] : [[label, program.version]])),
      )
      return { ...planPeers(bench, build, all), versions: { 'our files': build, ...versions } }
    },
    signal,
  )
}
