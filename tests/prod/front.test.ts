import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Container } from '@reference/tools/prod'
import { requestsOf } from '@reference/tools/prod'
import t from 'tap'
import { headerOf } from '../fuzz/replies.ts'
import { Wires } from '../fuzz/wire.ts'
import { holdsWithin, reads, send, startLoad } from '../testing/load.ts'
import { report, theProduction } from './production.ts'

const { production, origin, rate, authorization, docker, prod } = theProduction()

const answered = async (container: Container) =>
  requestsOf([(await production.ask(container, '/metrics'))?.body ?? '']).total

/** Connections that the kernel of this container has accepted since its start. */
const accepted = async (container: Container) => {
  const [names = '', values = ''] = (await production.exec(container, ['cat', '/proc/net/snmp']))
    .split('\n')
    .filter((line) => line.startsWith('Tcp:'))
  return Number(values.split(' ')[names.split(' ').indexOf('PassiveOpens')])
}

t.test('requests spread evenly over the replicas, on connections that are kept', async (t) => {
  for (const [service, path] of [
    ['reference-api', '/users/'],
    ['parallel-api', '/parallel/users/'],
  ] as const) {
    const replicas = await production.containers(service)
    t.equal(replicas.length, 3)
    const before = await Promise.all(
      replicas.map(async (one) => [await answered(one), await accepted(one)] as const),
    )
    const load = startLoad(origin, rate, (index) => ({ path: `${path}${1 + (index % 1000)}` }))
    await new Promise((resolve) => setTimeout(resolve, 2000 + 600_000 / rate))
    const { sent, failures } = await load.stop()
    t.same(failures, [])
    const after = await Promise.all(
      replicas.map(async (one) => [await answered(one), await accepted(one)] as const),
    )
    const requests = after.map(([count], index) => count - (before[index]?.[0] ?? 0))
    const connections = after.map(([, count], index) => count - (before[index]?.[1] ?? 0))
    report(`${service}: ${sent} requests, by replica ${requests}, new connections ${connections}`)
    const mean = sent / replicas.length
    // nginx sends less to a replica that is slow for a moment.
    for (const count of requests)
      t.ok(Math.abs(count - mean) <= mean / 4, `${count} of about ${Math.round(mean)}`)
    const opened = connections.reduce((sum, count) => sum + count, 0)
    t.ok(opened < sent / 5, `${opened} connections for ${sent} requests`)
  }
})

t.test('routes of the platform are closed to the outside', async (t) => {
  for (const path of [
    '/ready',
    '/metrics',
    '/services',
    '//ready',
    '/%72eady',
    '/parallel/ready',
    '/parallel/metrics',
    '/users/../services',
  ]) {
    const { status, type } = await send(origin, { path })
    t.equal(status, 404, path)
    t.match(type, 'application/problem+json', path)
  }
  t.equal((await send(origin, { path: '/health' })).status, 200)
  const replica = (await production.containers('reference-api'))[0]
  if (replica === undefined) return t.fail('no replica')
  t.equal((await production.ask(replica, '/ready'))?.status, 200)
  t.equal((await production.ask(replica, '/services'))?.status, 200)
})

t.test('an image and its running process report the commit', async (t) => {
  for (const service of ['reference-api', 'parallel-api']) {
    const [replica] = await production.containers(service)
    if (replica === undefined) return t.fail('no replica')
    const label = '{{index .Config.Labels "org.opencontainers.image.revision"}}'
    const revision = await docker(['inspect', '--format', label, replica.id])
    t.match(revision, /^[0-9a-f]{12}(-dirty)?$/, service)
    const metrics = (await production.ask(replica, '/metrics'))?.body ?? ''
    t.match(/^build_info\{.*\} 1$/m.exec(metrics)?.[0], `commit="${revision}"`, service)
  }
})

t.test('reads are open, writes need a token', async (t) => {
  const body = { email: 'prod-test@example.com', name: 'Prod Test' }
  const call = { method: 'POST', path: '/users', body } as const
  t.equal((await send(origin, call)).status, 401)
  t.equal((await send(origin, { ...call, headers: { authorization: 'Bearer wrong' } })).status, 401)
  t.equal((await send(origin, { ...call, headers: authorization })).status, 201)
})

t.test('errors of nginx have the common shape, and security headers are set', async (t) => {
  const tooLarge = await send(origin, {
    method: 'POST',
    path: '/users',
    headers: authorization,
    body: { name: 'x'.repeat(2 << 20) },
  })
  t.equal(tooLarge.status, 413)
  t.match(JSON.parse(tooLarge.body), { status: 413, code: 'BODY_TOO_LARGE', requestId: /^[0-9a-f]{32}$/ })
  const response = await fetch(`${origin}/users/1`, { headers: { 'x-request-id': 'from-outside-1' } })
  t.equal(response.headers.get('x-request-id'), 'from-outside-1')
  t.equal(response.headers.get('x-content-type-options'), 'nosniff')
  // fetch joins the values of a header that is repeated.
  t.equal(response.headers.get('content-security-policy'), "default-src 'none'; frame-ancestors 'none'")
  t.equal(response.headers.get('referrer-policy'), 'no-referrer')
})

t.test('a request that nginx itself refuses is a problem of its client, never a 5xx', async (t) => {
  const wires = new Wires({ host: '127.0.0.1', port: Number(new URL(origin).port) })
  t.teardown(() => wires.close())
  for (const [head, status] of [
    ['GET /%00 HTTP/1.1', 400],
    ['GET /parallel/users/%00 HTTP/1.1', 400],
    ['GET /users/1 HTTP/3.0', 400],
    ['GET /users/1 HTTP/1.1\r\ntransfer-encoding: x', 400],
    ['TRACE /users/1 HTTP/1.1', 405],
    [`GET /${'a'.repeat(20_000)} HTTP/1.1`, 414],
    [`GET /users/1 HTTP/1.1\r\nx-long: ${'a'.repeat(20_000)}`, 431],
  ] as const) {
    const reply = await wires.exchange(`${head}\r\nhost: test\r\n\r\n`, 'GET')
    const name = head.slice(0, 60)
    t.equal(reply.status, status, name)
    t.equal(headerOf(reply, 'content-type'), 'application/problem+json', name)
    t.equal(headerOf(reply, 'allow') !== undefined, status === 405, name)
    t.match(JSON.parse(reply.body.toString()), { status, code: String, requestId: /^[0-9a-f]{32}$/ }, name)
  }
})

t.test(
  'every container runs unprivileged without capabilities on a read-only file system, and only nginx is reachable',
  async (t) => {
    const containers = await inspected()
    const services = (await production.compose(['config', '--services'])).split('\n')
    t.same(
      [...new Set(containers.map(serviceOf))].sort(),
      services.sort(),
      'every service of the file is there',
    )
    for (const container of containers) {
      const { Name: name, HostConfig: host, NetworkSettings: network, State: state } = container
      const service = serviceOf(container)
      t.ok(host.ReadonlyRootfs, `${name} read-only`)
      t.same(host.CapDrop, ['ALL'], `${name} drops all capabilities`)
      t.same(host.CapAdd ?? [], [], `${name} adds none`)
      t.notOk(host.Privileged)
      t.match(host.SecurityOpt, ['no-new-privileges:true'])
      t.ok(host.Memory > 0, `${name} has a limit of memory`)
      t.ok(host.NanoCpus > 0 && host.PidsLimit > 0, `${name} has limits of processors and processes`)
      t.match(host.Ulimits, [{ Name: 'nofile' }])
      t.match(host.LogConfig.Config, { 'max-size': '10m' })
      t.ok(host.Init)
      t.notMatch(container.Config.User, /^(0|root)?(:|$)/, `${name} has a user that is not root`)
      t.equal(
        container.Mounts.find(({ Source }) => Source.endsWith('docker.sock')),
        undefined,
      )
      const published = Object.values(network.Ports).flatMap((list) => list ?? [])
      t.same(
        published.map(({ HostIp }) => HostIp),
        service === 'nginx' ? ['127.0.0.1'] : [],
        `${name} ports`,
      )
      const networks = Object.keys(network.Networks)
        .map((full) => full.slice(full.lastIndexOf('_') + 1))
        .sort()
      const expected = service === 'nginx' ? ['edge'] : /-api$/.test(service) ? ['data', 'edge'] : ['data']
      t.same(networks, expected, `${name} networks`)
      // Containers that ran once, such as migrate, have no process to inspect.
      if (!state.Running) continue
      // Read the effective state from the kernel, not the requested one.
      const status = await docker(['exec', container.Id, 'cat', '/proc/1/status', '/proc/self/status'])
      t.notMatch(status, /^Uid:\s+0\s/m, `${name} is not root`)
      t.notMatch(status, /^Cap(Inh|Eff|Prm|Bnd|Amb):\s+0*[1-9a-f]/m, `${name} has no capability`)
      t.match(status, /^NoNewPrivs:\s+1$/m)
    }
  },
)

t.test('no secret is in the inspection of a container, in an image or in a log', async (t) => {
  const secrets = readdirSync(production.state.folder, { withFileTypes: true })
    .filter((entry) => entry.isFile() && !/\.(json|lock)$/.test(entry.name))
    .map(({ name }) => [name, readFileSync(join(production.state.folder, name), 'utf8').trim()] as const)
  t.ok(secrets.length >= 11, 'every file that `up` has created')
  const images = ['reference-api:local', 'parallel-api:local', 'reference/pgbouncer:1.24.1']
  const places = {
    inspect: JSON.stringify(await inspected()),
    images: await docker(['image', 'inspect', ...images]),
    history: (await Promise.all(images.map((image) => docker(['history', '--no-trunc', image])))).join('\n'),
    // Logs contain errors as well, such as a wrong password or a failed statement.
    logs: await production.compose(['logs', '--no-color']),
  }
  t.ok(places.logs.length > 10_000, 'there are logs')
  const token = authorization.authorization.split(' ')[1] ?? ''
  for (const [name, secret] of [...secrets, ['the token', token] as const]) {
    t.ok(secret.length >= 20, name)
    for (const [place, text] of Object.entries(places)) {
      t.notOk(text.includes(secret), `${name} is not in ${place}`)
    }
  }
})

t.test('status and logs describe the running production', async (t) => {
  const { code, output } = await prod('status')
  t.equal(code, 0)
  for (const api of ['reference-api', 'parallel-api'])
    t.equal(output.match(new RegExp(`${api}-\\d+: ready 200`, 'g'))?.length, 3, api)
  t.match(output, 'primary: postgres-primary')
  t.match(output, /postgres-replica\|streaming\|async/)
  t.match(output, 'Redis: ok, 16384 slots, 6 nodes')
  await fetch(`${origin}/users/7`, { headers: { 'x-request-id': 'seen-in-the-log' } })
  const found = await holdsWithin(
    async () => (await prod('logs', 'nginx')).output.includes('"seen-in-the-log"'),
    5000,
  )
  t.ok(found, 'the access log has the request')
  t.equal((await prod('logs', 'no-such-service')).code, 1)
})

t.test('up on a running production changes nothing', async (t) => {
  const ids = () => production.compose(['ps', '--quiet'])
  const before = await ids()
  const load = startLoad(origin, rate, reads)
  const { code, output } = await prod('up')
  const { failures } = await load.stop()
  t.equal(code, 0, output.slice(-2000))
  t.equal(await ids(), before, 'the same containers')
  t.same(failures, [])
})

t.test('the Redis user of the APIs may send what they need, and nothing else', async (t) => {
  const load = startLoad(origin, rate, reads)
  await new Promise((resolve) => setTimeout(resolve, 2000))
  await load.stop()
  const script = (user: string, command: string) =>
    `REDISCLI_AUTH=$(</run/secrets/redis_${user}_password) exec redis-cli --user ${user} --no-auth-warning ${command}`
  for (const node of ['redis-1', 'redis-2', 'redis-3', 'redis-4', 'redis-5', 'redis-6']) {
    t.equal(await production.exec(node, ['bash', '-c', script('admin', 'ACL LOG')]), '', node)
  }
  for (const command of ['FLUSHALL', 'KEYS "*"', 'CONFIG GET "*"', 'GET other', 'ACL LIST', 'SHUTDOWN']) {
    t.match(await production.exec('redis-1', ['bash', '-c', script('api', command)]), 'NOPERM', command)
  }
})

interface Inspected {
  Id: string
  Name: string
  HostConfig: {
    ReadonlyRootfs: boolean
    CapDrop: string[]
    CapAdd: string[] | null
    Privileged: boolean
    SecurityOpt: string[]
    Memory: number
    NanoCpus: number
    PidsLimit: number
    Ulimits: { Name: string }[]
    LogConfig: { Config: Record<string, string> }
    Init: boolean
  }
  NetworkSettings: {
    Ports: Record<string, { HostIp: string }[] | null>
    Networks: Record<string, unknown>
  }
  Config: { Labels: Record<string, string>; User: string; Env: string[] }
  Mounts: { Source: string }[]
  State: { Running: boolean }
}

/** All containers, including containers that ran once. */
async function inspected(): Promise<Inspected[]> {
  const ids = (await production.compose(['ps', '--all', '--quiet'])).split('\n')
  return JSON.parse(await docker(['inspect', ...ids]))
}

function serviceOf({ Config: { Labels: labels } }: Inspected): string {
  return labels['com.docker.compose.service'] ?? ''
}
