import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { freePort } from '@reference/local-stack'

/** A port without a listener. */
export const closedPort = freePort

/** A port that accepts connections and never answers, as a host that hangs. */
export async function hungPort(t: { teardown(fn: () => unknown): unknown }) {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
    socket.resume()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return { port: (server.address() as AddressInfo).port, open: () => sockets.size }
}
