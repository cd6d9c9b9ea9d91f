import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import t from 'tap'
import { startServer } from './server.ts'

// Starting a service takes long on a busy machine.
t.setTimeout(120_000)

t.test('the start of a service on a taken port fails with its log', async (t) => {
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  t.teardown(() => other.close())
  const { port } = other.address() as AddressInfo
  const starting = startServer({
    service: 'reference-api',
    build: 'sources',
    environment: { PORT: String(port), DATABASE_URL: 'postgres://user@127.0.0.1:1/none' },
    cores: [],
    folder: t.testdir({}),
  })
  await t.rejects(starting, {
    code: 'SERVER_NOT_READY',
    message: /reference-api: ended with code \d+.*\n[\s\S]*EADDRINUSE/,
  })
})
