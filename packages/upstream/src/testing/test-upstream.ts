import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

export interface TestUpstream {
  readonly url: string
  /** The requests that arrived, in their order. */
  readonly calls: { path: string; headers: IncomingHttpHeaders; port: number | undefined }[]
  /** Answers paths that begin with the key in another way, until the entry is deleted. */
  readonly answers: Map<string, (response: ServerResponse) => void>
  /** The number of requests without a complete answer. */
  open(): number
  /** Closes the port and resets every connection, as a killed process does. */
  stop(): Promise<void>
  /** Listens again on the same port. */
  start(): Promise<void>
}

/**
 * An upstream in the process of the test; stopped when the test ends.
 *
 * @param bodyOf the body of the reply to a path, sent as JSON; undefined answers 404
 */
export async function startTestUpstream(
  t: { teardown(fn: () => unknown): unknown },
  bodyOf: (path: string) => unknown,
): Promise<TestUpstream> {
  const calls: TestUpstream['calls'] = []
  const answers: TestUpstream['answers'] = new Map()
  const sockets = new Set<Socket>()
  let open = 0
  const server = createServer((request, response) => {
    const path = request.url ?? ''
    calls.push({ path, headers: request.headers, port: request.socket.remotePort })
    open++
    response.on('close', () => {
      open--
    })
    const [, answer] = [...answers].find(([start]) => path.startsWith(start)) ?? []
    if (answer !== undefined) return answer(response)
    const body = bodyOf(path)
    response.statusCode = body === undefined ? 404 : 200
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(body ?? { code: 'NOT_FOUND' }))
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  let port = 0
  const start = async () => {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    port = (server.address() as AddressInfo).port
  }
  const stop = async () => {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    for (const socket of sockets) socket.destroy()
    await closed
  }
  t.teardown(stop)
  await start()
  return { url: `http://127.0.0.1:${port}`, calls, answers, open: () => open, stop, start }
}
