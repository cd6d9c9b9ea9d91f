import { spawnSync } from 'node:child_process'
import { cpus, release, totalmem, type } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { FingerprintResult } from '../report/schema.ts'
import { tuningSwitches } from './switches.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))

/** The machine and set-up that a result depends on. */
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

function git(...args: string[]): string | undefined {
  const { status, stdout } = spawnSync('git', args, { cwd: ROOT, encoding: 'utf8' })
  return status === 0 ? stdout.trim() : undefined
}
