import type { Facts } from './facts.ts'
import { chosenOf, isAtLeast, parseSize } from './parse.ts'

export interface Finding {
  readonly about: string
  readonly level: 'ok' | 'warning' | 'error'
  readonly text: string
  /** The remedy, often a line to type. */
  readonly mend?: string
}

/** The requirements of the chosen size, from infra/sizing.ts. */
export interface Wanted {
  readonly size: string
  readonly memoryMiB: number
  readonly cpus: number
  /** The largest number of CPUs that one container requests; the engine does not start it with fewer. */
  readonly containerCpus: number
  readonly diskGb: number
}

/** A VM of 8 GiB reports a little less, because its kernel uses the rest. */
const MEMORY_SLACK = 0.94
const LEAST = { docker: '20.10.0', compose: '2.24.0' }
const FULL_PERCENT = 90

/** Judges the facts, and names a remedy for each fault. */
export function assess(facts: Facts, wanted: Wanted): Finding[] {
  return [
    ...versions(facts),
    ...engine(facts, wanted),
    ...kernel(facts),
    ...volumes(facts),
    ...containers(facts),
    ...networks(facts),
    ...ports(facts),
  ]
}

const ok = (about: string, text: string): Finding => ({ about, level: 'ok', text })
const warning = (about: string, text: string, mend: string): Finding => ({
  about,
  level: 'warning',
  text,
  mend,
})
const error = (about: string, text: string, mend: string): Finding => ({
  about,
  level: 'error',
  text,
  mend,
})

function versions({ node }: Facts): Finding[] {
  const { running, pinned } = node
  if (running === pinned) return [ok('node', running)]
  return [
    warning(
      'node',
      `${running} runs, ${pinned} is pinned`,
      'start scripts with pnpm, which runs the pinned one',
    ),
  ]
}

function engine(facts: Facts, wanted: Wanted): Finding[] {
  const { docker, colima, platform } = facts
  if ('missing' in docker) {
    const start =
      platform === 'darwin'
        ? `brew install colima docker docker-compose; colima start ${colimaFlags(wanted)}`
        : 'sudo systemctl start docker, or install it: https://docs.docker.com/engine/install/'
    return [
      error(
        'docker',
        `${docker.missing}; without it: pnpm dev, start, test and bench run, the compose files do not`,
        start,
      ),
    ]
  }
  const { info, compose } = docker
  const where =
    colima === undefined ? info.OperatingSystem : `Colima (${colima.runtime}, mounts by ${colima.mount_type})`
  const grow =
    colima === undefined && platform === 'linux'
      ? 'give the machine more, or choose a smaller size'
      : `colima stop; colima start ${colimaFlags(wanted)}`
  const mib = Math.round(info.MemTotal / 1024 ** 2)
  return [
    isAtLeast(info.ServerVersion, LEAST.docker)
      ? ok('docker', `${info.ServerVersion} on ${where}, cgroup v${info.CgroupVersion}, ${info.Driver}`)
      : error('docker', `${info.ServerVersion} is older than ${LEAST.docker}`, 'install a newer engine'),
    compose !== undefined && isAtLeast(compose, LEAST.compose)
      ? ok('compose', compose)
      : error(
          'compose',
          `${compose ?? 'none'}; ${LEAST.compose} is needed`,
          'install the compose plugin: https://docs.docker.com/compose/install/',
        ),
    info.NCPU < wanted.containerCpus
      ? error(
          'cpu',
          `${info.NCPU}; one container of ${wanted.size} may use ${wanted.containerCpus}, and is not started`,
          grow,
        )
      : info.NCPU < wanted.cpus
        ? warning('cpu', `${info.NCPU}, where ${wanted.size} is for ${wanted.cpus}: it runs, slower`, grow)
        : ok('cpu', `${info.NCPU}, for ${wanted.cpus}`),
    mib < wanted.memoryMiB * MEMORY_SLACK
      ? error('memory', `${mib} MiB; ${wanted.size} needs ${wanted.memoryMiB}`, grow)
      : ok('memory', `${mib} MiB, for ${wanted.memoryMiB}`),
    disk(facts, wanted),
  ]
}

function disk({ freeDiskBytes }: Facts, { diskGb }: Wanted): Finding {
  if (freeDiskBytes === undefined)
    return ok(
      'disk',
      'how much is free can only be seen inside of the VM: docker run --rm postgres:18 df -h /',
    )
  const free = freeDiskBytes / 1e9
  const text = `${free.toFixed(1)} GB free where Docker keeps its data`
  const mend =
    'docker system df -v shows what takes it; docker builder prune and docker image prune give back what is unused'
  if (free < 5) return error('disk', `${text}: databases stop when it is full`, mend)
  return free < diskGb / 4 ? warning('disk', text, mend) : ok('disk', text)
}

const colimaFlags = ({ cpus, memoryMiB, diskGb }: Wanted) =>
  `--cpu ${cpus} --memory ${memoryMiB / 1024} --disk ${diskGb}`

function kernel({ kernel: { overcommit, transparentHugePages, somaxconn }, colima }: Facts): Finding[] {
  const inVm = colima === undefined ? '' : 'colima ssh -- '
  const set = (line: string) =>
    `${inVm}sudo ${line}; to keep it: ${colima === undefined ? '/etc/sysctl.d/90-reference.conf' : 'provision in infra/colima.yaml'}`
  const findings: Finding[] = []
  if (overcommit !== undefined) {
    findings.push(
      overcommit === '1'
        ? ok('vm.overcommit_memory', '1')
        : warning(
            'vm.overcommit_memory',
            `${overcommit}: a fork of Redis (save, a new replica) can fail while memory is there`,
            set('sysctl -w vm.overcommit_memory=1'),
          ),
    )
  }
  if (transparentHugePages !== undefined) {
    const chosen = chosenOf(transparentHugePages)
    findings.push(
      chosen === 'always'
        ? warning(
            'transparent huge pages',
            'always: a fork of Redis copies 2 MB for each changed byte, which shows as latency',
            set('sh -c "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled"'),
          )
        : ok('transparent huge pages', chosen),
    )
  }
  if (somaxconn !== undefined) {
    findings.push(
      Number(somaxconn) < 511
        ? warning(
            'net.core.somaxconn',
            `${somaxconn}, less than the listen queues of Redis and nginx (511)`,
            set('sysctl -w net.core.somaxconn=4096'),
          )
        : ok('net.core.somaxconn', somaxconn),
    )
  }
  return findings.length > 0
    ? findings
    : [ok('kernel', 'its settings can only be read on Linux or in Colima')]
}

function volumes({ volumes, docker }: Facts): Finding[] {
  if ('missing' in docker) return []
  const total = volumes.reduce((sum, { Size }) => sum + (parseSize(Size) || 0), 0)
  const unused = volumes.filter(({ Links }) => Links === '0')
  const largest = [...volumes].sort((a, b) => (parseSize(b.Size) || 0) - (parseSize(a.Size) || 0))[0]
  const text = `${volumes.length}, ${(total / 1e9).toFixed(2)} GB${largest === undefined ? '' : `; the largest is ${largest.Name.slice(0, 40)} with ${largest.Size}`}`
  const foreign = volumes.filter(({ Driver }) => Driver !== 'local')
  return [
    unused.length > 10
      ? warning(
          'volumes',
          `${text}; ${unused.length} belong to no container`,
          'docker volume prune deletes anonymous ones that are unused',
        )
      : ok('volumes', text),
    ...foreign.map(({ Name, Driver }) =>
      warning(
        'volumes',
        `${Name} has the driver ${Driver}: databases want a local disk`,
        'a named volume with the driver local',
      ),
    ),
  ]
}

function containers({ containers }: Facts): Finding[] {
  const full = containers.filter(({ MemPerc }) => Number.parseFloat(MemPerc) >= FULL_PERCENT)
  const busiest = [...containers]
    .map((use) => ({
      ...use,
      bytes: use.BlockIO.split('/').reduce((sum, part) => sum + (parseSize(part) || 0), 0),
    }))
    .sort((a, b) => b.bytes - a.bytes)
    .slice(0, 3)
  return [
    ...full.map(({ Name, MemPerc, MemUsage }) =>
      warning(
        'memory of containers',
        `${Name} uses ${MemPerc} of its limit (${MemUsage})`,
        `docker stats ${Name}; a larger size: pnpm infra size`,
      ),
    ),
    ...(busiest.length === 0
      ? []
      : [
          ok(
            'block I/O',
            `read / written since start: ${busiest.map(({ Name, BlockIO }) => `${Name} ${BlockIO}`).join(', ')}`,
          ),
        ]),
  ]
}

function networks({ networks, onHostNetwork, docker }: Facts): Finding[] {
  if ('missing' in docker) return []
  const others = networks.filter(({ driver }) => !['bridge', 'host', 'null'].includes(driver))
  return [
    others.length === 0
      ? ok('networks', `${networks.filter(({ driver }) => driver === 'bridge').length} of the driver bridge`)
      : warning(
          'networks',
          others.map(({ name, driver }) => `${name} has the driver ${driver}`).join(', '),
          'bridge is fastest on one machine: docker network inspect NAME',
        ),
    ...onHostNetwork.map((name) =>
      warning(
        'networks',
        `${name} is on the host's network: open to it, and service names do not resolve`,
        `remove network_mode: host from ${name}`,
      ),
    ),
  ]
}

function ports({ ports }: Facts): Finding[] {
  const foreign = ports.filter(({ taken, ours }) => taken && !ours)
  if (ports.length > 0 && foreign.length === 0)
    return [ok('ports', `${ports.length} that the compose file publishes are free or its own`)]
  return foreign.map(({ port, service, container }) =>
    warning(
      'ports',
      `${port} of ${service} is taken by ${container === undefined ? 'a process of this machine' : `the container ${container}`}`,
      `${container === undefined ? `lsof -nP -iTCP:${port} -sTCP:LISTEN` : `docker stop ${container}`}, or another port: the *_PORT variables in docker-compose.yml`,
    ),
  )
}
