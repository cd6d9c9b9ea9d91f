import { randomInt } from 'node:crypto'
import { once } from 'node:events'
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
    if (await isFree(port)) return port
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1')
  try {
    await once(server, 'listening')
  } catch (error) {
    // EACCES: some systems reserve ranges.
    if (/^(EADDRINUSE|EACCES)$/.test((error as NodeJS.ErrnoException).code ?? '')) return false
    throw error
  }
  server.close()
  await once(server, 'close')
  return true
}
