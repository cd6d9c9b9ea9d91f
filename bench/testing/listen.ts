import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'

/** An HTTP server for a test, closed with its connections when the test ends. */
export async function listen(
  t: { teardown(undo: () => void): void },
  listener: RequestListener,
): Promise<{
  readonly origin: string
  /** Connections that were opened so far. */
  opened(): number
}> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  let opened = 0
  server.on('connection', () => {
    opened++
  })
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, opened: () => opened }
}
