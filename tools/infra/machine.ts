import { readFileSync } from 'node:fs'
import { availableParallelism, totalmem } from 'node:os'
import { integer, oneOf, text, UsageError } from '@reference/cli'
import { MACHINE_BOUNDS, type Machine, WORKLOADS } from '@reference/infra/sizing'

const [[LEAST_MEMORY, MOST_MEMORY], [LEAST_CPUS, MOST_CPUS]] = [MACHINE_BOUNDS.memory, MACHINE_BOUNDS.cpus]

/** Options that describe a machine. */
export const machineOptions = {
  memory: text({ placeholder: 'SIZE', help: 'memory of the machine, such as 32g or 1536m' }),
  cpus: integer({ minimum: LEAST_CPUS, maximum: MOST_CPUS, help: 'its cores' }),
  workload: oneOf(WORKLOADS, {
    help: 'web: many short statements; analytics: few that sort much',
    fallback: 'mixed',
  }),
}

/**
 * Reads a size in binary units.
 *
 * @returns MiB
 * @throws UsageError
 */
export function parseMemory(given: string, least: number = LEAST_MEMORY): number {
  const [, amount, unit] = /^(\d{1,6}(?:\.\d{1,3})?)([mg])i?b?$/i.exec(given) ?? []
  const memory = Math.floor(Number(amount) * (unit?.toLowerCase() === 'g' ? 1024 : 1))
  if (!(memory >= least && memory <= MOST_MEMORY)) {
    throw new UsageError(`--memory takes ${least}m to ${MOST_MEMORY / 1024}g, such as 32g, got '${given}'`)
  }
  return memory
}

/** Memory and cores of this machine, or of the container in which this process runs, as far as the bounds go. */
export function thisMachine(): Pick<Machine, 'memory' | 'cpus'> {
  const memory = Math.min(totalmem(), containerLimit() ?? Number.POSITIVE_INFINITY)
  return {
    memory: Math.min(MOST_MEMORY, Math.floor(memory / 2 ** 20)),
    cpus: Math.min(MOST_CPUS, availableParallelism()),
  }
}

/** Of the control group of this process, version 2. */
function containerLimit(): number | undefined {
  try {
    const limit = Number(readFileSync('/sys/fs/cgroup/memory.max', 'utf8'))
    return Number.isFinite(limit) ? limit : undefined
  } catch {
    return undefined
  }
}
