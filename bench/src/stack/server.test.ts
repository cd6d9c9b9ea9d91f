import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import t from 'tap'
import { startServer } from './server.ts'

// A busy machine takes its time to start a service.
t.setTimeout(120_000)

t.test('a service whose port is taken is not measured: the start fails and says so', async (t) => {
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  t.teardown(() => other.close())
  const { port } = other.address() as AddressInfo
  const starting = startServer({
    service: 'reference-api',
    environment: { PORT: String(port), DATABASE_URL: 'postgres://nobody@127.0.0.1:1/nothing' },
    cores: [],
    folder: t.testdir({}),
  })
  await t.rejects(starting, {
    code: 'SERVER_NOT_READY',
    message: /reference-api: ended with code \d+.*\n[\s\S]*EADDRINUSE/,
  })
})
