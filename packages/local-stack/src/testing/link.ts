import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { freePort } from '../free-port.ts'

/** A connection path to a real Postgres that a test can cut, hang and mend, as a network, a host or a restart would. */
export interface Link {
  url: string
  mend(): Promise<void>
  cut(): Promise<void>
  /** From now on accepts all data and forwards none, on new connections too. */
  hang(): void
  /** Closes the far end of each open connection; a new connection is accepted and closed at once. */
  slam(): void
}

/** Starts cut; ends with the test. */
export async function linkTo(t: { teardown(fn: () => unknown): unknown }, url: string): Promise<Link> {
  const target = new URL(url)
  const sockets = new Set<Socket>()
  let server: Server | undefined
  // Not one that `listen(0)` or an outgoing connection would get: nothing else takes it while the link is cut.
  const port = await freePort()
  let mode: 'pass' | 'hang' | 'slam' = 'pass'
  const keep = (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
  }
  const mend = async () => {
    await cut()
    mode = 'pass'
    server = createServer({ allowHalfOpen: true }, (near) => {
      keep(near)
      if (mode === 'slam') near.end()
      // A connection that was never forwarded ends with its client.
      if (mode === 'hang') near.on('end', () => near.end()).resume()
      if (mode !== 'pass') return
      const far = connect(Number(target.port), target.hostname)
      keep(far)
      near.on('end', () => mode === 'pass' && far.end())
      near.on('close', () => far.destroy())
      far.on('close', () => near.destroy())
      near.on('data', (data) => mode === 'pass' && far.write(data))
      far.on('data', (data) => mode === 'pass' && near.write(data))
    }).listen(port, '127.0.0.1')
    await once(server, 'listening')
  }
  const cut = async () => {
    const closing = server
    server = undefined
    for (const socket of sockets) socket.destroy()
    if (closing !== undefined) await new Promise((resolve) => closing.close(resolve))
  }
  await mend()
  await cut()
  t.teardown(cut)
  return {
    url: Object.assign(new URL(url), { port: String(port) }).href,
    mend,
    cut,
    hang() {
      mode = 'hang'
    },
    slam() {
      mode = 'slam'
      for (const socket of sockets) socket.end()
    },
  }
}
