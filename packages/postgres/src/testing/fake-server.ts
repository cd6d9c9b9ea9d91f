import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'

export interface Teardown {
  teardown(fn: () => unknown): unknown
}

/** A message of a server. */
export function message(type: string, body: Buffer | string = ''): Buffer {
  const bytes = typeof body === 'string' ? Buffer.from(body, 'latin1') : body
  const head = Buffer.alloc(5)
  head.write(type, 'latin1')
  head.writeInt32BE(bytes.length + 4, 1)
  return Buffer.concat([head, bytes])
}

export function authentication(kind: number, data = ''): Buffer {
  const head = Buffer.alloc(4)
  head.writeInt32BE(kind)
  return message('R', Buffer.concat([head, Buffer.from(data, 'latin1')]))
}

export const LOGGED_IN = Buffer.concat([
  authentication(0),
  message('S', 'server_version\x0018.0\0'),
  message('K', '\0\0\0\x01\0\0\0\x02'),
  message('Z', 'I'),
])

export interface FakeServer {
  readonly url: string
  readonly port: number
  /** Connections that were accepted. */
  count(): number
}

/**
 * A peer that pretends to be a Postgres. The first connection, with which `openConnection` finds the route, is greeted as by a real
 * one unless `fromFirst` is set.
 *
 * @param first sent instead of the first answer of the login
 * @param ends closes the connection after that
 * @param afterLogin sent instead of the answer to the first statement of a session
 */
export async function fakeServer(
  t: Teardown,
  {
    first = LOGGED_IN,
    afterLogin,
    fromFirst = false,
    ends = false,
  }: { first?: Buffer; afterLogin?: Buffer; fromFirst?: boolean; ends?: boolean },
): Promise<FakeServer> {
  const sockets = new Set<Socket>()
  let count = 0
  const server = createServer((socket) => {
    const number = ++count
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
    let hasStarted = false
    socket.on('data', () => {
      if (!hasStarted) socket.write(number === 1 && !fromFirst ? LOGGED_IN : first)
      else if (afterLogin !== undefined) socket.write(afterLogin, () => ends && socket.end())
      hasStarted = true
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { port, url: `postgres://app:secret@127.0.0.1:${port}/app?sslmode=disable`, count: () => count }
}
