import { spawnSync } from 'node:child_process'
import { cpus, release, totalmem, type } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { FingerprintResult } from '../report/schema.ts'
import { tuningSwitches } from './switches.ts'

/** What a result depends on besides the code that is compared. */
export function takeFingerprint(known: {
  placement: string
  versions?: { postgres: string; redis: string | undefined }
}): FingerprintResult {
  const { placement, versions } = known
  const commit = git('rev-parse', 'HEAD')
  return {
    cpuModel: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryBytes: totalmem(),
    platform: `${process.platform} ${process.arch}`,
    kernel: `${type()} ${release()}`,
    node: process.version,
    placement,
    settings: Object.fromEntries(tuningSwitches().map(({ name, tuned }) => [name, tuned])),
    ...(versions && { postgres: versions.postgres }),
    ...(versions?.redis && { redis: versions.redis }),
    ...(commit && { commit, dirty: git('status', '--porcelain') !== '' }),
  }
}

/** In which points two machines or set-ups differ, in words; commit and settings aside, since they are what is compared. */
export function differences(before: FingerprintResult, after: FingerprintResult): string[] {
  const names = [
    'cpuModel',
    'cores',
    'memoryBytes',
    'platform',
    'kernel',
    'node',
    'postgres',
    'redis',
    'placement',
  ] as const
  return names.flatMap((name) =>
    before[name] === after[name] ? [] : [`${name}: ${before[name] ?? 'none'} → ${after[name] ?? 'none'}`],
  )
}

function git(...args: string[]): string | undefined {
  const root = fileURLToPath(new URL('../../..', import.meta.url))
  const { status, stdout } = spawnSync('git', args, { cwd: root, encoding: 'utf8' })
  return status === 0 ? stdout.trim() : undefined
}
