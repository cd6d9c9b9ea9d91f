import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

/** Below the ports that systems give to outgoing connections and to `listen(0)`: 32768 and above on Linux, 49152 on macOS. */
const LOWEST = 20_000
const HIGHEST = 32_767

/**
 * A TCP port of 127.0.0.1 that was free a moment ago, from 20000 to 32767, so that no outgoing connection takes it before the caller does.
 * Another server may still take it.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(LOWEST, HIGHEST + 1)
    const fault = await listenFault('127.0.0.1', port)
    if (fault === undefined) return port
    // EACCES: some systems reserve ranges.
    if (fault !== 'EADDRINUSE' && fault !== 'EACCES') throw new Error(`No port is free: ${fault}`)
  }
}

/** The code of the error of listening there; undefined when listening works. */
export function listenFault(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    server.listen({ host, port }, () => server.close(() => resolve(undefined)))
  })
}
