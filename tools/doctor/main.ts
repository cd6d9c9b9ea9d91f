import { parseArgs } from 'node:util'
import { container, machines, type Size, sizes, systemNames } from '../../infra/sizing.ts'
import { assess, type Finding, type Wanted } from './assess.ts'
import { gatherFacts } from './facts.ts'

const help = `stack:doctor - whether this machine can run the stack, and what to mend

  pnpm stack:doctor [--size ${sizes.join('|')}] [--json] [--help]

  --size   the machine that the stack is sized for (infra/sizing.ts); small
  --json   findings for programs

Looks at Node, Docker or Colima, CPUs, memory, disk, kernel, volumes, block I/O, networks and ports; changes nothing.
Exit code 0, or 1 when there is an error (warnings are none), 64 for wrong arguments.
`

const EXIT_USAGE = 64
/** GB, the guide's. */
const disks: Record<Size, number> = { small: 60, medium: 100, large: 100 }

try {
  const { values } = parseArgs({
    args: process.argv.slice(2).filter((argument) => argument !== '--'),
    options: {
      size: { type: 'string', default: 'small' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  const size = sizes.find((each) => each === values.size)
  if (size === undefined) throw new TypeError(`--size is one of ${sizes.join(', ')}, not ${values.size}`)
  if (values.help) process.stdout.write(help)
  else {
    const findings = assess(await gatherFacts(), wantedOf(size))
    process.stdout.write(values.json ? `${JSON.stringify(findings, null, 2)}\n` : report(findings))
    process.exitCode = findings.some(({ level }) => level === 'error') ? 1 : 0
  }
} catch (error) {
  if (!(error instanceof TypeError)) throw error
  process.stderr.write(`${error.message}\n\n${help}`)
  process.exitCode = EXIT_USAGE
}

function wantedOf(size: Size): Wanted {
  const { memory, cpus } = machines[size]
  const containerCpus = Math.max(...systemNames.map((system) => container(system, size).cpus))
  return { size, memoryMiB: memory, cpus, containerCpus, diskGb: disks[size] }
}

function report(findings: Finding[]): string {
  const marks = { ok: 'ok   ', warning: 'warn ', error: 'ERROR' }
  const width = Math.max(...findings.map(({ about }) => about.length))
  const lines = findings.map(({ level, about, text, mend }) => {
    const line = `${marks[level]}  ${about.padEnd(width)}  ${text}\n`
    return mend === undefined ? line : `${line}${' '.repeat(width + 9)}→ ${mend}\n`
  })
  const count = (level: Finding['level']) => findings.filter((finding) => finding.level === level).length
  return `${lines.join('')}\n${count('error')} errors, ${count('warning')} warnings\n`
}
