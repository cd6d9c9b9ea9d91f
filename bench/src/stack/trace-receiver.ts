import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A collector of traces that discards them. */
export interface TraceReceiver {
  readonly url: string
  /** `exports`: requests with spans. */
  counters(): Promise<Readonly<Record<string, number>>>
  stop(): Promise<void>
}

/** Receives OTLP over HTTP on 127.0.0.1. */
export async function startTraceReceiver(): Promise<TraceReceiver> {
  let exports = 0
  const server = createServer((request, response) => {
    exports++
    request.resume().once('end', () => response.setHeader('content-type', 'application/json').end('{}'))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    counters: async () => ({ exports }),
    async stop() {
      server.close()
      server.closeAllConnections()
    },
  }
}
