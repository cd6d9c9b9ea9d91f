import { action, EXIT_CODES, flag, oneOf } from '@reference/cli'
import { container, MACHINES, SIZES, type Size, SYSTEM_NAMES } from '@reference/infra/sizing'
import { assess, type Finding, type Wanted } from './assess.ts'
import { gatherFacts } from './facts.ts'

/** Gigabytes of disk for each machine size (docs/colima.md). */
const DISK_GB: Record<Size, number> = { small: 60, medium: 100, large: 100 }
const MARKS = { ok: 'ok   ', warning: 'warn ', error: 'ERROR' }

/** `pnpm infra doctor`. */
export const doctorCommand = action({
  summary: 'Check whether this machine can run the stack, and name remedies.',
  options: {
    size: oneOf(SIZES, { help: 'the machine that the stack is sized for', fallback: 'small' }),
    json: flag({ help: 'findings for programs' }),
  },
  details: `Looks at Node, Docker or Colima, CPUs, memory, disk, kernel, volumes, block I/O, networks and ports; changes nothing.
Exit code 0, 1 when there is an error (warnings do not count), 64 for wrong arguments.`,
  async run({ size, json }) {
    const findings = assess(await gatherFacts(), wantedOf(size))
    process.stdout.write(json ? `${JSON.stringify(findings, null, 2)}\n` : report(findings))
    return findings.some(({ level }) => level === 'error') ? EXIT_CODES.FAILED : EXIT_CODES.OK
  },
})

function wantedOf(size: Size): Wanted {
  const { memory, cpus } = MACHINES[size]
  const containerCpus = Math.max(...SYSTEM_NAMES.map((system) => container(system, size).cpus))
  return { size, memoryMiB: memory, cpus, containerCpus, diskGb: DISK_GB[size] }
}

function report(findings: Finding[]): string {
  const width = Math.max(...findings.map(({ about }) => about.length))
  const lines = findings.map(({ level, about, text, mend }) => {
    const line = `${MARKS[level]}  ${about.padEnd(width)}  ${text}\n`
    return mend === undefined ? line : `${line}${' '.repeat(width + 9)}→ ${mend}\n`
  })
  const count = (level: Finding['level']) => findings.filter((finding) => finding.level === level).length
  return `${lines.join('')}\n${count('error')} errors, ${count('warning')} warnings\n`
}
