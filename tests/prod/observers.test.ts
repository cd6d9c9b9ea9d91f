import t from 'tap'
import { OBSERVERS } from '../observability/stack.ts'
import { holdsWithin } from '../testing/load.ts'
import { theProduction } from './production.ts'

const { production, docker } = theProduction()

interface Target {
  labels: Record<string, string>
  health: string
  lastError: string
}

t.test('with OBSERVABILITY=on every target is up, and the exporters may only read', async (t) => {
  const port = 20_000 + Math.floor(Math.random() * 9_000)
  const env = { PROMETHEUS_PORT: `${port}`, ALERTMANAGER_PORT: `${port + 1}` }
  production.state.set('OBSERVABILITY', 'on')
  t.teardown(async () => {
    await production.compose(['rm', '--stop', '--force', ...OBSERVERS])
    production.state.set('OBSERVABILITY', 'off')
  })
  await production.compose(['up', '--detach', '--no-deps', ...OBSERVERS], { env })

  const targets = async (): Promise<Target[]> => {
    const answer = await fetch(`http://127.0.0.1:${port}/api/v1/targets?state=active`).catch(() => undefined)
    if (!answer?.ok) return []
    return ((await answer.json()) as { data: { activeTargets: Target[] } }).data.activeTargets
  }
  const expected = {
    'reference-api': 3,
    'parallel-api': 3,
    'reference-worker': 1,
    nginx: 1,
    postgres: 2,
    pgbouncer: 1,
    redis: 6,
    node: 1,
    prometheus: 1,
    alertmanager: 1,
  }
  const up = async () => {
    const count: Record<string, number> = {}
    for (const { labels, health } of await targets()) {
      const { job = '' } = labels
      if (health === 'up') count[job] = (count[job] ?? 0) + 1
    }
    return count
  }
  const all = Object.keys(expected) as (keyof typeof expected)[]
  const done = await holdsWithin(async () => {
    const count = await up()
    return all.every((job) => count[job] === expected[job])
  }, 120_000)
  t.ok(done, 'in time')
  t.match(await up(), expected)
  t.same(
    (await targets())
      .filter(({ health }) => health !== 'up')
      .map(({ labels, lastError }) => [labels, lastError]),
    [],
  )

  const ask = async (query: string): Promise<unknown[]> => {
    const answer = await fetch(`http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent(query)}`)
    return ((await answer.json()) as { data: { result: unknown[] } }).data.result
  }
  for (const [query, count] of [
    ['pg_up == 1', 2],
    ['redis_up == 1', 6],
    ['pgbouncer_up == 1', 1],
    ['nginx_up == 1', 1],
  ] as const)
    t.equal((await ask(query)).length, count, query)

  // Redis refuses no command that the exporter sends, and the exporter may read neither keys nor settings.
  const redis = (user: string, secret: string, command: string) =>
    production.exec('redis-1', [
      ...['bash', '-c'],
      `REDISCLI_AUTH=$(</run/secrets/${secret}) exec redis-cli --user ${user} --no-auth-warning ${command}`,
    ])
  t.notMatch(await redis('admin', 'redis_admin_password', 'ACL LOG'), /exporter/)
  for (const command of ['GET c:x', 'CONFIG GET masterauth', 'CLIENT LIST', 'FLUSHALL'])
    t.match(await redis('exporter', 'redis_exporter_password', command), 'NOPERM', command)

  for (const service of OBSERVERS) {
    const [container] = await production.containers(service)
    if (container === undefined) {
      t.fail(`${service} runs`)
      continue
    }
    const [{ NetworkSettings: network, HostConfig: host }] = JSON.parse(
      await docker(['inspect', container.id]),
    )
    const published = Object.values(network.Ports as Record<string, { HostIp: string }[] | null>).flatMap(
      (list) => list ?? [],
    )
    for (const { HostIp } of published) t.equal(HostIp, '127.0.0.1', service)
    t.equal(published.length, ['prometheus', 'alertmanager'].includes(service) ? 1 : 0, `${service} ports`)
    t.ok(host.ReadonlyRootfs && host.Memory > 0, service)
  }
})
