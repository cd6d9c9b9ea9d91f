import { spawnSync } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { pullImage, whyNoContainers } from './docker.ts'
import { NGINX_KEEP_ALIVE, NGINX_WITHOUT_KEEP_ALIVE } from './nginx.ts'
import type { BenchStack } from './stack.ts'

const never = new AbortController().signal
const missing = whyNoContainers() ?? (await pullImage('nginx:1.30', never))

t.test(
  'nginx reuses its connections to the service, and without keep-alive opens one for each request',
  { skip: missing ?? false },
  async (t) => {
    let connections = 0
    const server = createServer((_request, response) => response.end('{}'))
    server.on('connection', () => connections++)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    t.teardown(() => server.close())
    const behind = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const requests = 20
    // nginx may send a reply on before the connection that it came by is idle again: a few more than one are in order.
    for (const [kind, fewest, most] of [
      [NGINX_KEEP_ALIVE, 1, requests / 4],
      [NGINX_WITHOUT_KEEP_ALIVE, requests, requests],
    ] as const) {
      const folder = t.testdir({})
      const stack = {} as BenchStack
      const nginx = await kind.start({ behind, stack, cores: [], folder, signal: never })
      connections = 0
      const before = (await nginx.counters()).requests ?? 0
      for (let i = 0; i < requests; i++) {
        const reply = await fetch(`${nginx.url}/users/${i}`)
        t.match([reply.status, reply.headers.get('server')], [200, 'nginx'])
        await reply.text()
      }
      t.ok(connections >= fewest && connections <= most, kind.name, { connections })
      t.ok(((await nginx.counters()).requests ?? 0) - before >= requests, 'stub_status counts the requests')
      await nginx.stop()
      const left = spawnSync('docker', ['ps', '--all', '--quiet', '--filter', `name=${nginx.container}`])
      t.equal(String(left.stdout), '', 'the container is removed')
    }
  },
)
