import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { scenarios } from '../scenarios/index.ts'
import { renderList } from './commands/list.ts'
import { haveImage, withoutContainers } from './stack/docker.ts'
import { nginxKeptAlive, nginxVariables, nginxWithoutKeepAlive } from './stack/nginx.ts'
import { companionsOf } from './stack/sidecar.ts'
import type { BenchStack } from './stack/stack.ts'

const never = new AbortController().signal
const missing = withoutContainers() ?? (await haveImage('nginx:1.30', never))

t.test('every variable of infra’s templates has a value', async (t) => {
  const templates = fileURLToPath(new URL('../../infra/nginx/templates', import.meta.url))
  const files = readdirSync(templates, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  )
  const used = files.flatMap(({ parentPath, name }) =>
    [...readFileSync(`${parentPath}/${name}`, 'utf8').matchAll(/\$\{(NGINX_\w+)\}/g)].map(
      ([, variable]) => variable,
    ),
  )
  t.same([...new Set(used)].toSorted(), Object.keys(nginxVariables).toSorted())
})

t.test('what decides about speed is as the compose file has it', async (t) => {
  const compose = readFileSync(new URL('../../docker-compose.prod.yml', import.meta.url), 'utf8')
  for (const name of ['NGINX_UPSTREAM_HTTP', 'NGINX_UPSTREAM_KEEPALIVE', 'NGINX_GZIP'] as const) {
    const [, value] = new RegExp(`${name}: \\$\\{${name}:-([^}]*)\\}`).exec(compose) ?? []
    t.equal(nginxVariables[name], value, name)
  }
})

t.test(
  'infra’s nginx keeps its connections to the service, and without keep-alive opens one for each request',
  { skip: missing ?? false },
  async (t) => {
    let connections = 0
    const server = createServer((_request, response) => response.end('{}'))
    server.on('connection', () => connections++)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    t.teardown(() => server.close())
    const behind = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    for (const [kind, expected] of [
      [nginxKeptAlive, 1],
      [nginxWithoutKeepAlive, 20],
    ] as const) {
      const folder = t.testdir({})
      const stack = {} as BenchStack
      const nginx = await kind.start({ behind, stack, cores: [], folder, signal: never })
      connections = 0
      const before = (await nginx.counters()).requests ?? 0
      for (let i = 0; i < 20; i++) {
        const answer = await fetch(`${nginx.url}/users/${i}`)
        t.match([answer.status, answer.headers.get('server')], [200, 'nginx'])
        await answer.text()
      }
      t.equal(connections, expected, kind.name)
      t.ok(((await nginx.counters()).requests ?? 0) - before >= 20, 'stub_status counts them')
      await nginx.stop()
      const left = spawnSync('docker', ['ps', '--all', '--quiet', '--filter', `name=${nginx.container}`])
      t.equal(String(left.stdout), '', 'nothing is left')
    }
  },
)

t.test('what needs containers is listed as not run where there are none', async (t) => {
  const list = renderList(scenarios, 'no Docker engine')
  for (const scenario of scenarios) {
    const needs = companionsOf(scenario).length > 0
    const line = list.split('\n').find((text) => text.includes(scenario.title)) ?? ''
    t.equal(/not run: no Docker engine/.test(line), needs, scenario.name)
  }
  t.notMatch(renderList(scenarios, undefined), /not run/)
})
