import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { container, MACHINES, type Size, SYSTEM_NAMES, type SystemName } from '@reference/infra/sizing'
import t from 'tap'
import { docker, root } from './docker.ts'

interface Limits {
  cpus?: string | number
  memory?: string
  pids?: number
}
interface Service {
  image?: string
  build?: unknown
  restart?: string
  profiles?: string[]
  healthcheck?: { test?: string[]; disable?: boolean }
  deploy?: { replicas?: number; resources?: { limits?: Limits } }
  ports?: { host_ip?: string; published?: string }[]
  environment?: Record<string, string | null>
  depends_on?: Record<string, { condition: string }>
}
interface Config {
  services: Record<string, Service>
}

const config = async (...args: string[]): Promise<Config> =>
  JSON.parse(await docker(['compose', '-f', 'docker-compose.yml', ...args, 'config', '--format', 'json']))

const profiles = ['systems', 'cluster', 'observability', '*']

// Their images have nothing to ask with; Prometheus's own scrape tells whether they are up.
const mute = new Set(['loki', 'tempo', 'alloy', 'cadvisor', 'redis-exporter', 'nginx-exporter'])

for (const profile of profiles) {
  t.test(`docker compose config is clean with profile ${profile}`, async (t) => {
    const { services } = await config('--profile', profile)
    t.ok(Object.keys(services).length > 5)
  })
}

t.test('each service has limits, a health check, a pinned image, and ports on 127.0.0.1 alone', async (t) => {
  const { services } = await config('--profile', '*')
  const jobs = new Set(
    Object.values(services).flatMap(({ depends_on = {} }) =>
      Object.entries(depends_on).flatMap(([name, { condition }]) =>
        condition === 'service_completed_successfully' ? [name] : [],
      ),
    ),
  )
  for (const [name, service] of Object.entries(services)) {
    const { limits } = service.deploy?.resources ?? {}
    t.ok(limits?.memory && limits.cpus, `${name} has limits`)
    t.match(service.image, /:[\w.-]+$/, `${name} is pinned: ${service.image}`)
    t.notMatch(service.image, /:latest$/)
    for (const port of service.ports ?? []) t.equal(port.host_ip, '127.0.0.1', `${name}: ${port.published}`)
    // Something that ends has no health; others wait for its end, or it is not started again.
    const ends = jobs.has(name) || service.restart === undefined
    if (!ends && !mute.has(name)) t.ok(service.healthcheck?.test, `${name} has a health check`)
    for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
      t.not(condition, 'service_started', `${name} waits for ${other} to be ${condition}`)
    }
  }
})

t.test('no secret stands in a compose file', async (t) => {
  const { services } = await config('--profile', '*')
  for (const [name, { environment = {} }] of Object.entries(services)) {
    for (const [variable, value] of Object.entries(environment)) {
      if (/(PASSWORD|TOKEN|SECRET|DATABASE_URL|REDIS_URL)$/.test(variable)) {
        t.ok(value === '' || value === null, `${name}: ${variable} comes from a file`)
      }
      t.notMatch(value ?? '', /\/\/[^/\s]*:[^/\s]*@/, `${name}: ${variable} has no password in it`)
    }
  }
})

t.test('the containers of each compose file fit the machine that they are sized for', async (t) => {
  const production = ['docker-compose.prod.yml', 'docker-compose.observability.yml']
  for (const files of [['docker-compose.yml'], production]) {
    const [file = ''] = files
    const size = sizeIn(file)
    if (size === undefined) {
      t.fail(`${file} has no limits from infra/sizing.ts`)
      continue
    }
    const profiles = file === 'docker-compose.yml' ? ['*'] : ['observability', 'observability-production']
    const text = await docker([
      'compose',
      ...files.flatMap((name) => ['-f', name]),
      ...profiles.flatMap((name) => ['--profile', name]),
      'config',
      '--format',
      'json',
    ])
    const { services } = JSON.parse(text) as Config
    const sum = Object.values(services)
      .filter(({ restart }) => restart !== undefined && restart !== 'no')
      .reduce(
        (all, { deploy }) => all + Number(deploy?.resources?.limits?.memory) * (deploy?.replicas ?? 1),
        0,
      )
    const { memory, reserved } = MACHINES[size]
    t.ok(sum / 2 ** 20 <= memory - reserved, `${file}: ${sum / 2 ** 20} of ${memory - reserved} MiB`)
  }
})

t.test(
  'production is complete with each profile, publishes on 127.0.0.1 alone, and names no secret',
  async (t) => {
    const files = ['-f', 'docker-compose.prod.yml', '-f', 'docker-compose.observability.yml']
    for (const profiles of [
      [],
      ['observability'],
      ['observability', 'observability-production'],
      ['observability', 'observability-mysql', 'observability-mongodb'],
    ]) {
      const args = ['compose', ...files, ...profiles.flatMap((name) => ['--profile', name])]
      const { services } = JSON.parse(await docker([...args, 'config', '--format', 'json'])) as Config
      for (const [name, service] of Object.entries(services)) {
        const { limits } = service.deploy?.resources ?? {}
        t.ok(limits?.memory && limits.cpus && limits.pids, `${name} has limits`)
        for (const port of service.ports ?? [])
          t.equal(port.host_ip, '127.0.0.1', `${name}: ${port.published}`)
        for (const [variable, value] of Object.entries(service.environment ?? {})) {
          if (/(PASS|PASSWORD|TOKEN|SECRET|DATABASE_URL|REDIS_URL)$/.test(variable))
            t.notOk(value, `${name}: ${variable}`)
          t.notMatch(value ?? '', /\/\/[^/\s]*:[^/\s]*@/, `${name}: ${variable}`)
        }
      }
    }
  },
)

t.test("a service's limits are those of the rule", async (t) => {
  const size = sizeIn('docker-compose.yml') ?? 'small'
  const { services } = await config('--profile', '*')
  for (const name of SYSTEM_NAMES.filter((system) => system in services) as SystemName[]) {
    t.equal(
      Number(services[name]?.deploy?.resources?.limits?.memory),
      container(name, size).memory * 2 ** 20,
      name,
    )
  }
})

function sizeIn(file: string): Size | undefined {
  return /^# size:start (\w+)/m.exec(readFileSync(join(root, file), 'utf8'))?.[1] as Size | undefined
}
