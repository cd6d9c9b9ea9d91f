import { execFile } from 'node:child_process'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { isRunning } from '@reference/cli'
import t from 'tap'
import { findRedisServer, redisCluster, startRedis, startStack, testRedis } from './index.ts'
import { REDIS_CONFIG_FILE } from './redis.ts'
import { findRedisCli } from './redis-binary.ts'
import { openFolder } from './testing/open-folder.ts'

async function ask(port: number, ...command: string[]): Promise<string> {
  const cli = await findRedisCli()
  const { stdout } = await promisify(execFile)(cli, ['-p', String(port), ...command], { timeout: 10_000 })
  return stdout.trimEnd()
}

function bytes(value: string): string {
  const [, number, unit = ''] = /^(\d+)(kb|mb|gb)?$/i.exec(value) ?? []
  if (number === undefined) return value
  return String(Number(number) * ({ kb: 2 ** 10, mb: 2 ** 20, gb: 2 ** 30 }[unit.toLowerCase()] ?? 1))
}

t.test("the server runs with each line of infra's redis.conf", async (t) => {
  const server = await startRedis()
  t.teardown(server.stop)
  const lines = (await readFile(REDIS_CONFIG_FILE, 'utf8'))
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(' '))
  t.ok(lines.length > 20, `${lines.length} settings were read from the file`)
  for (const [name = '', ...words] of lines) {
    const [, answer = ''] = (await ask(server.port, 'CONFIG', 'GET', name)).split('\n')
    if (name === 'bind') {
      t.equal(answer, '127.0.0.1', 'a local server is not reached from outside')
    } else if (name === 'client-output-buffer-limit') {
      const [kind = '', ...limits] = words
      // Redis names the replicas of this setting by their old name.
      const shown = kind === 'replica' ? '(?:slave|replica)' : kind
      t.match(answer, new RegExp(`${shown} ${limits.map(bytes).join(' ')}`), `${name} ${words.join(' ')}`)
    } else {
      t.equal(answer, bytes(words.join(' ').replaceAll('"', '')), `${name} ${words.join(' ')}`)
    }
  }
})

t.test('a test can kill, pause and restart its own server on the same port', async (t) => {
  const redis = await testRedis(t, { own: true })
  const { pid, port } = redis
  t.equal(await ask(port, 'SET', 'c:a', '1'), 'OK')
  redis.pause()
  await t.rejects(
    promisify(execFile)(await findRedisCli(), ['-p', String(port), 'PING'], { timeout: 300 }),
    'a paused server does not answer',
  )
  redis.resume()
  t.equal(await ask(port, 'PING'), 'PONG')
  await redis.kill()
  t.equal(isRunning(pid ?? 0), false)
  await redis.restart()
  t.not(redis.pid, pid)
  t.equal(await ask(port, 'GET', 'c:a'), '', 'it comes back empty')
})

t.test('when a port is taken at the start, every port is drawn anew', async (t) => {
  const folder = await openFolder(t)
  const program = join(folder, 'redis-server')
  const calls = join(folder, 'calls')
  await writeFile(calls, '')
  await chmod(calls, 0o666)
  // The first start ends as Redis does when another process listens on its bus.
  const script = `#!/bin/sh
echo "$*" >> '${calls}'
if [ "$(wc -l < '${calls}')" = 1 ]; then echo 'bind: Address already in use'; exit 1; fi
exec '${await findRedisServer()}' "$@"
`
  await writeFile(program, script)
  await chmod(program, 0o755)
  const server = await startRedis({
    program,
    settings: { 'cluster-enabled': 'yes' },
    portSettings: ['cluster-port'],
  })
  t.teardown(server.stop)
  const started = (await readFile(calls, 'utf8')).trimEnd().split('\n')
  const drawn = started.map((line) => Number(/--cluster-port (\d+)/.exec(line)?.[1]))
  t.equal(drawn.length, 2)
  t.not(drawn[0], drawn[1])
  t.equal(server.ports['cluster-port'], drawn[1])
  t.match(await ask(server.port, 'CONFIG', 'GET', 'cluster-port'), String(drawn[1]))
})

t.test('the shared server cannot be stopped by a test', async (t) => {
  const before = process.env.TEST_REDIS_URL
  const server = await startRedis()
  t.teardown(server.stop)
  process.env.TEST_REDIS_URL = server.url
  t.teardown(() => {
    if (before === undefined) delete process.env.TEST_REDIS_URL
    else process.env.TEST_REDIS_URL = before
  })
  const redis = await testRedis(t)
  t.equal(redis.url, server.url)
  t.throws(() => redis.pause(), /shared/)
})

t.test('a cluster has three masters with a linked replica each, and leaves nothing', async (t) => {
  const cluster = await redisCluster(t)
  t.equal(cluster.redisClusterNodes.split(',').length, 6)
  const roles = await Promise.all(cluster.nodes.map(({ port }) => ask(port, 'ROLE')))
  t.same(
    roles.map((role) => role.split('\n')[0]),
    ['master', 'master', 'master', 'slave', 'slave', 'slave'],
  )
  const first = cluster.nodes[0]
  t.match(await ask(first?.port ?? 0, 'CLUSTER', 'INFO'), 'cluster_slots_ok:16384')
  await cluster.stop()
  t.notOk(cluster.nodes.some(({ pid }) => isRunning(pid)))
})

t.test('without a Redis server', async (t) => {
  const dir = await openFolder(t)

  t.test('without an installer, the error has the lines to type for apt and brew', async (t) => {
    await t.rejects(findRedisServer({ path: dir }), {
      code: 'REDIS_MISSING',
      message: /apt-get install -y redis-server[\s\S]*brew install redis/,
    })
  })

  t.test('a stack starts without Redis, reports that, and has no address for it', async (t) => {
    const path = process.env.PATH
    // Keeps the programs of the system, except Redis.
    process.env.PATH = dir
    t.teardown(() => {
      process.env.PATH = path
    })
    await writeFile(join(dir, 'id'), `#!/bin/sh\nPATH='${path}' exec id "$@"\n`)
    for (const name of ['sleep', 'rm']) {
      await writeFile(join(dir, name), `#!/bin/sh\nPATH='${path}' exec ${name} "$@"\n`)
    }
    for (const name of ['id', 'sleep', 'rm']) await chmod(join(dir, name), 0o755)
    const said: string[] = []
    const stack = await startStack({ say: (line) => said.push(line) })
    t.teardown(stack.stop)
    t.notOk('redisUrl' in stack)
    t.notOk('REDIS_URL' in stack.env)
    t.match(said.join('\n'), /NO REDIS: tier 2 of the cache is OFF/)
    t.match(said.join('\n'), /brew install redis/)
    await stack.stop()
    process.env.PATH = path
  })

  const isRoot = process.getuid?.() === 0
  const skip = isRoot ? false : 'only root installs'
  t.test('root installs Redis with apt-get, after an update, and reports it', { skip }, async (t) => {
    const bin = t.testdir()
    const aptGet = `#!/bin/sh
echo "$DEBIAN_FRONTEND $*" >> '${bin}/calls'
/usr/bin/test -x /usr/sbin/policy-rc.d && echo "not started by Debian" >> '${bin}/calls'
case "$*" in *install*) printf '#!/bin/sh\\n' > '${bin}/redis-server'; /bin/chmod +x '${bin}/redis-server';; esac
`
    await writeFile(join(bin, 'apt-get'), aptGet)
    await chmod(join(bin, 'apt-get'), 0o755)
    const said: string[] = []
    const program = await findRedisServer({ path: bin, say: (line) => said.push(line) })
    t.equal(program, join(bin, 'redis-server'))
    t.match(said.join('\n'), /installing the package redis-server with apt-get/)
    const calls = (await readFile(join(bin, 'calls'), 'utf8')).split('\n')
    t.match(calls[0], /^noninteractive .*update$/)
    t.match(calls[1], 'not started by Debian')
    t.match(calls[2], /^noninteractive .*install -y --no-install-recommends redis-server$/)
  })
})
