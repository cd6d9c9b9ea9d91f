import { execFileSync } from 'node:child_process'
import { chmodSync, cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { type Container, docker, root, startContainer, uniqueName } from './docker.ts'

/** Stands for both APIs: answers with the headers that reached it. */
const echo = `
const answer = (request, response) => response.end(JSON.stringify(request.headers))
for (const port of [8000, 8001]) require('node:http').createServer(answer).listen(port)
`

type Headers = Record<string, string | undefined>

t.test('nginx forwards only the allowed headers', async (t) => {
  const network = uniqueName('nginx')
  await docker(['network', 'create', network])
  const started: Container[] = []
  t.teardown(async () => {
    for (const container of started) await container.remove()
    await docker(['network', 'rm', network])
  })
  const aliases = ['reference-api', 'parallel-api'].flatMap((name) => ['--network-alias', name])
  const command = ['node:26-slim', 'node', '-e', echo]
  started.push(await startContainer('echo', ['--network', network, ...aliases, ...command]))
  const nginx = await startContainer('nginx', [
    ...['--network', network, '--network-alias', 'nginx', '--user', '101:101', '--read-only'],
    ...['--sysctl', 'net.ipv4.ip_unprivileged_port_start=0'],
    ...['--tmpfs', '/tmp', '--tmpfs', '/etc/nginx/conf.d:uid=101,gid=101,mode=0755'],
    ...['--volume', `${join(root, 'infra/nginx/nginx.conf')}:/etc/nginx/nginx.conf:ro`],
    ...['--volume', `${join(root, 'infra/nginx/templates')}:/etc/nginx/templates:ro`],
    ...Object.entries(await environmentOfNginx()).flatMap(([name, value]) => ['--env', `${name}=${value}`]),
    'nginx:1.30',
  ])
  started.push(nginx)
  const [client] = started
  if (client === undefined) return

  /** Asked from the other container, as an outside client. */
  const ask = async (port: number, path: string, headers: Headers): Promise<Headers> => {
    const script = `
      const get = async (left) => {
        try { return await (await fetch('http://nginx:${port}${path}', { headers: ${JSON.stringify(headers)} })).text() }
        catch (error) { if (left === 0) throw error; await new Promise((wait) => setTimeout(wait, 250)); return get(left - 1) }
      }
      get(40).then(console.log)`
    return JSON.parse(await client.exec('node', '-e', script))
  }

  const traced = {
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    tracestate: 'vendor=1',
    baggage: 'a=b',
  }
  for (const path of ['/users/1', '/all', '/parallel/users/1', '/report']) {
    const seen = await ask(80, path, { ...traced, 'x-request-id': 'mine-1', 'x-forwarded-for': '6.6.6.6' })
    for (const name of Object.keys(traced)) t.notOk(seen[name], `${path}: ${name} from outside is dropped`)
    t.equal(seen['x-request-id'], 'mine-1', path)
    t.ok(seen['x-forwarded-for'])
    t.notMatch(seen['x-forwarded-for'], '6.6.6.6', `${path}: an address that the client made up is dropped`)
    t.equal(seen['x-forwarded-proto'], 'http')
  }
  const odd = await ask(80, '/users/1', { 'x-request-id': 'not sane!' })
  t.match(odd['x-request-id'], /^[0-9a-f]{32}$/, 'an id that is not sane is replaced')
  const inner = await ask(8000, '/users/1', { ...traced, 'x-request-id': 'mine-2' })
  t.match(inner, { ...traced, 'x-request-id': 'mine-2' }, 'between the APIs a trace goes on')
})

t.test('the commented server block for TLS is accepted, with a certificate of the script', async (t) => {
  const folder = t.testdir({})
  chmodSync(folder, 0o755)
  cpSync(join(root, 'infra/nginx/templates'), join(folder, 'templates'), { recursive: true })
  const path = join(folder, 'templates/30-servers.conf.template')
  const commented = readFileSync(path, 'utf8')
  const tls = commented.replace(/^# server \{\n(?:#.*\n)*?# \}$/m, (block) => block.replaceAll(/^# ?/gm, ''))
  t.match(tls, /^ {4}listen 443 ssl default_server/m)
  writeFileSync(path, tls)
  execFileSync('sh', [join(root, 'infra/nginx/make-certificate.sh'), join(folder, 'tls')])
  await docker([
    ...['run', '--rm', '--user', '101:101', '--sysctl', 'net.ipv4.ip_unprivileged_port_start=0'],
    ...['--tmpfs', '/tmp', '--tmpfs', '/etc/nginx/conf.d:uid=101,gid=101,mode=0755'],
    ...['--volume', `${join(root, 'infra/nginx/nginx.conf')}:/etc/nginx/nginx.conf:ro`],
    ...['--volume', `${join(folder, 'templates')}:/etc/nginx/templates:ro`],
    ...['--volume', `${join(folder, 'tls')}:/etc/nginx/tls:ro`],
    ...Object.entries(await environmentOfNginx()).flatMap(([name, value]) => ['--env', `${name}=${value}`]),
    ...['nginx:1.30', 'nginx', '-t'],
  ])
})

/** The defaults of the compose file. */
async function environmentOfNginx(): Promise<Record<string, string>> {
  const text = await docker(['compose', '-f', 'docker-compose.prod.yml', 'config', '--format', 'json'])
  return JSON.parse(text).services.nginx.environment
}
