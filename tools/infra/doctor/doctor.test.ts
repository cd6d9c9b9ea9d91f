import { dirname } from 'node:path'
import { runFile } from '@reference/cli/testing'
import t from 'tap'
import { assess, type Finding } from './assess.ts'
import type { Facts } from './facts.ts'
import { chosenOf, isAtLeast, parseSize, publishedPorts } from './parse.ts'

const well: Facts = {
  platform: 'linux',
  node: { running: '26.10.0', pinned: '26.10.0' },
  docker: {
    info: {
      NCPU: 4,
      MemTotal: 8_123_000_000,
      Driver: 'overlay2',
      OperatingSystem: 'Debian GNU/Linux 13',
      KernelVersion: '6.12',
      CgroupVersion: '2',
      DockerRootDir: '/var/lib/docker',
      ServerVersion: '28.1.0',
    },
    compose: '2.40.3-3',
  },
  colima: undefined,
  freeDiskBytes: 40e9,
  kernel: { overcommit: '1', transparentHugePages: 'always [madvise] never', somaxconn: '4096' },
  volumes: [{ Name: 'reference_postgres', Driver: 'local', Size: '1.5GB', Links: '1' }],
  containers: [
    { Name: 'postgres', MemPerc: '40%', MemUsage: '400MiB / 1GiB', CPUPerc: '1%', BlockIO: '1MB / 2GB' },
  ],
  networks: [
    { name: 'bridge', driver: 'bridge' },
    { name: 'host', driver: 'host' },
    { name: 'none', driver: 'null' },
  ],
  onHostNetwork: [],
  ports: [{ port: 5432, service: 'postgres', taken: true, container: 'reference-postgres-1', ours: true }],
}
const small = { size: 'small', memoryMiB: 8192, cpus: 4, containerCpus: 2, diskGb: 60 }

const textsOf = (facts: Partial<Facts>, level: Finding['level']) =>
  assess({ ...well, ...facts }, small).filter((finding) => finding.level === level)

t.test('a suitable machine has no faults', async (t) => {
  t.same(textsOf({}, 'error'), [])
  t.same(textsOf({}, 'warning'), [])
  t.match(
    textsOf({}, 'ok').find(({ about }) => about === 'volumes'),
    { text: '1, 1.50 GB; the largest is reference_postgres with 1.5GB' },
  )
})

t.test('without Docker it names what still works, and how to install Docker', async (t) => {
  const docker = { missing: 'there is no docker on the PATH' }
  t.match(textsOf({ docker }, 'error'), [
    { about: 'docker', text: /no docker on the PATH; without it: pnpm dev/, mend: /systemctl/ },
  ])
  t.match(textsOf({ docker, platform: 'darwin' }, 'error'), [
    { mend: /colima start --cpu 4 --memory 8 --disk 60$/ },
  ])
})

t.test(
  'a missing resource is an error if the stack cannot start or is killed, otherwise a warning',
  async (t) => {
    const having = (info: object) =>
      ({
        docker: { info: { ...('info' in well.docker && well.docker.info), ...info }, compose: '2.40' },
      }) as Partial<Facts>
    t.match(textsOf(having({ MemTotal: 4e9 }), 'error'), [
      { about: 'memory', text: /3815 MiB; small needs 8192/ },
    ])
    t.match(textsOf(having({ NCPU: 1 }), 'error'), [{ about: 'cpu', text: /is not started/ }])
    t.match(textsOf(having({ NCPU: 2 }), 'warning'), [
      { about: 'cpu', text: '2, where small is for 4: it runs, slower' },
    ])
    t.match(textsOf(having({ ServerVersion: '19.03.1' }), 'error'), [{ about: 'docker' }])
    t.match(textsOf({ freeDiskBytes: 1e9 }, 'error'), [{ about: 'disk', mend: /prune/ }])
    t.match(textsOf({ freeDiskBytes: 10e9 }, 'warning'), [{ about: 'disk' }])
    const colima = { runtime: 'docker', mount_type: 'virtiofs' }
    t.match(textsOf({ ...having({ MemTotal: 4e9 }), colima, platform: 'darwin' }, 'error'), [
      { mend: 'colima stop; colima start --cpu 4 --memory 8 --disk 60' },
    ])
  },
)

t.test(
  'kernel settings that hurt Redis are warnings, with the line that mends them where it runs',
  async (t) => {
    const kernel = { overcommit: '0', transparentHugePages: '[always] madvise never', somaxconn: '128' }
    t.match(textsOf({ kernel }, 'warning'), [
      { about: 'vm.overcommit_memory', mend: /^sudo sysctl -w vm\.overcommit_memory=1/ },
      { about: 'transparent huge pages', mend: /madvise/ },
      { about: 'net.core.somaxconn', text: /^128/ },
    ])
    t.match(textsOf({ kernel, colima: {} }, 'warning'), [
      { mend: /^colima ssh -- sudo sysctl .* infra\/colima\.yaml$/ },
      {},
      {},
    ])
    const unknown = { overcommit: undefined, transparentHugePages: undefined, somaxconn: undefined }
    t.same(textsOf({ kernel: unknown }, 'warning'), [])
  },
)

t.test(
  'full containers, host networks, odd drivers and taken ports are warnings with their name',
  async (t) => {
    const [use] = well.containers
    const containers = use === undefined ? [] : [{ ...use, MemPerc: '95.2%' }]
    t.match(textsOf({ containers }, 'warning'), [{ text: /^postgres uses 95\.2% of its limit/ }])
    t.match(textsOf({ onHostNetwork: ['prometheus'] }, 'warning'), [
      { text: /^prometheus is on the host's network/ },
    ])
    t.match(textsOf({ networks: [{ name: 'far', driver: 'overlay' }] }, 'warning'), [
      { text: 'far has the driver overlay' },
    ])
    const port = { port: 5432, service: 'postgres', taken: true, container: undefined, ours: false }
    t.match(textsOf({ ports: [port] }, 'warning'), [
      { text: '5432 of postgres is taken by a process of this machine', mend: /^lsof/ },
    ])
    t.match(textsOf({ ports: [{ ...port, container: 'other-db' }] }, 'warning'), [
      { mend: /^docker stop other-db/ },
    ])
    t.same(textsOf({ ports: [{ ...port, taken: false }] }, 'warning'), [])
  },
)

t.test('sizes, versions, choices and ports are read as Docker and the kernel write them', async (t) => {
  t.same(['0B', '1.5GB', '512MiB', '12kB', 'N/A'].map(parseSize), [0, 1.5e9, 536_870_912, 12_000, Number.NaN])
  t.equal(chosenOf('always [madvise] never'), 'madvise')
  t.ok(isAtLeast('2.40.3-3', '2.24.0'))
  t.ok(isAtLeast('v2.24', '2.24.0'))
  t.notOk(isAtLeast('2.3.4', '2.24.0'))
  const services = { api: { ports: [{ published: '8000' }, {}] }, redis: {} }
  t.same(publishedPorts({ services }), [{ port: 8000, service: 'api' }])
})

function run(args: string[], env: NodeJS.ProcessEnv = process.env) {
  return runFile(new URL('../main.ts', import.meta.url), ['doctor', ...args], env)
}

t.test('the command runs here, and on a machine without Docker', async (t) => {
  const here = await run(['--json'])
  const findings: Finding[] = JSON.parse(here.stdout)
  t.equal(here.code, findings.some(({ level }) => level === 'error') ? 1 : 0)
  t.match(findings, [{ about: 'node', level: 'ok' }])
  t.ok(findings.every(({ level, mend }) => level === 'ok' || mend))

  const without = await run([], { PATH: dirname(process.execPath) })
  t.equal(without.code, 1)
  t.match(without.stdout, /^ERROR {2}docker +there is no docker on the PATH/m)
  t.match(without.stdout, /\n1 errors, \d warnings\n$/)
})

t.test('the command has a help text, and names a wrong argument', async (t) => {
  t.match(await run(['--help']), { code: 0, stdout: /pnpm infra doctor/ })
  t.match(await run(['--size', 'huge']), { code: 64, stderr: /small, medium, large, got 'huge'/ })
  t.match(await run(['--fix']), { code: 64, stderr: /--fix/ })
})
