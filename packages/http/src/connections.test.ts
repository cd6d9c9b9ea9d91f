import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { Registry } from '@prometheus-io/client'
import { delay, until } from '@reference/async'
import t from 'tap'
import { connectionLimit, openFilesLimit } from './open-files.ts'
import { startProcess } from './testing/test-process.ts'
import { type Teardown, testServer } from './testing/test-server.ts'

/** Opens connections that send nothing; resolves when each is open or refused. */
async function openIdle(
  t: Teardown,
  port: number,
  count: number,
): Promise<{ sockets: Socket[]; end(): void }> {
  const sockets = Array.from({ length: count }, () => {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    return socket
  })
  const end = () => {
    for (const socket of sockets) socket.destroy()
  }
  t.teardown(end)
  await until('each connection is open or closed', () =>
    sockets.every((socket) => !socket.connecting || socket.closed),
  )
  return { sockets, end }
}

/** For a call that must be answered at its first try. */
const PATIENCE_MS = 15_000

async function metric(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  const lines = text.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, 'gm'))
  return Array.from(lines, ([, value]) => Number(value)).reduce((sum, value) => sum + value)
}

const isAnswered = (url: string, limitMs = 2000) =>
  fetch(`${url}/health`, { signal: AbortSignal.timeout(limitMs) }).then(
    ({ status }) => status === 200,
    () => false,
  )

t.test('idle connections above the limit of open files are shed, and the process recovers', async (t) => {
  for (const [files, count] of [
    [1024, 1100],
    [256, 400],
  ] as const) {
    const { child, url, port, internalUrl, log } = await startProcess(
      t,
      { INTERNAL_PORT: '0' },
      { maxFiles: files },
    )
    const { end } = await openIdle(t, port, count)
    const shed = () => metric(internalUrl, 'http_connections_shed_total')
    const open = () => metric(internalUrl, 'http_connections_open')
    await until('each connection is accepted or shed', async () => (await open()) + (await shed()) >= count)
    const limit = await metric(internalUrl, 'http_connections_limit')
    t.ok(limit >= files / 4 && limit < files, `${limit} of ${files}`)
    t.ok((await open()) <= limit)
    t.ok(await isAnswered(internalUrl, PATIENCE_MS))
    t.equal(log().match(/connections are shed/g)?.length, 1, 'one line, not one for each connection')

    // An unused connection is closed for a connection that sends.
    await until('a call is answered beside the idle connections', () => isAnswered(url))

    end()
    await until('the connections are gone', async () => (await open()) < 10)
    const before = await shed()
    for (let n = 0; n < 20; n++) t.ok(await isAnswered(url, PATIENCE_MS))
    t.equal(await shed(), before)
    await until('the recovery is logged', () => /connections are no longer shed/.test(log()))
    t.equal(child.exitCode, null)
  }
})

t.test('at the limit connections are closed at once', async (t) => {
  const { port, url, lines } = await testServer(t, { maxConnections: 8, registry: new Registry() })
  const { sockets, end } = await openIdle(t, port, 40)
  await until('the other connections are closed', () => sockets.filter(({ closed }) => closed).length === 32)
  t.match(
    lines.find(({ level }) => level === 'warn'),
    { msg: 'connections are shed', reason: 'limit', limit: 8 },
  )
  end()
  await until('a call is answered', () => isAnswered(url))
  t.ok((await metric(url, 'http_connections_shed_total\\{reason="limit"\\}')) >= 32)
})

t.test('an address has its own limit, and its closed connections do not count', async (t) => {
  const { port, url, lines } = await testServer(t, { maxConnectionsPerAddress: 4, registry: new Registry() })
  const { sockets, end } = await openIdle(t, port, 20)
  await until('the other connections are closed', () => sockets.filter(({ closed }) => closed).length === 16)
  t.same(
    lines.filter(({ level }) => level === 'warn'),
    [],
    'a client cannot fill the log',
  )
  end()
  await until('a call is answered', () => isAnswered(url))
  t.ok((await metric(url, 'http_connections_shed_total\\{reason="address"\\}')) >= 16)
})

t.test('a process without a free descriptor survives', async (t) => {
  const { child, url, port, internalUrl, log } = await startProcess(
    t,
    { INTERNAL_PORT: '0' },
    { maxFiles: 256 },
  )
  const exhausted = once(child, 'message')
  child.send('exhaust')
  t.same((await exhausted)[0], 'EMFILE')
  const { end } = await openIdle(t, port, 20)
  // Long enough for the event loop samples and two checks for late requests.
  await delay(3000)
  t.equal(child.exitCode, null)
  end()
  child.send('free')
  await until('calls are answered', () => isAnswered(url))
  t.ok((await metric(internalUrl, 'process_open_fds')) < 256)
  t.notMatch(log(), /uncaught/)
})

t.test('an accept() that fails is counted, and logged once', async (t) => {
  const { app, lines } = await testServer(t)
  for (let n = 0; n < 3; n++) app.server.emit('error', Object.assign(new Error('accept'), { code: 'EMFILE' }))
  t.match(
    lines.filter(({ level }) => level === 'warn'),
    [{ msg: 'connections are shed', reason: 'accept', code: 'EMFILE' }],
  )
})

t.test('used connections are not closed for new ones', async (t) => {
  const { port, url } = await testServer(t, { maxConnections: 8 })
  const used = await openIdle(t, port, 7)
  const replies = used.sockets.map((socket) => once(socket, 'data'))
  for (const socket of used.sockets) socket.write('GET /health HTTP/1.1\r\nhost: x\r\n\r\n')
  await Promise.all(replies)
  await delay(1100)
  t.ok(await isAnswered(url, PATIENCE_MS), 'the eighth')
  t.ok(used.sockets.every(({ readyState }) => readyState === 'open'))
})

t.test('the limit leaves descriptors for the connections that the service opens', async (t) => {
  const files = openFilesLimit() ?? 0
  t.ok(files > 0)
  const alone = connectionLimit(0) ?? 0
  t.ok(alone < files && alone >= files / 4)
  t.equal(connectionLimit(100), Math.max(alone - 100, Math.floor(files / 4)))
  t.equal(connectionLimit(files), Math.floor(files / 4))
})
