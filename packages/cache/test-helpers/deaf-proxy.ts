import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/**
 * A proxy before Redis that can make tracking links deaf: nothing is closed, commands still pass, but what Redis says on
 * connections that have subscribed stays on the way, as behind a half-open connection.
 */
export async function createDeafProxy(redisPort: number) {
  const held = new Map<Socket, Buffer[]>()
  const sockets = new Set<Socket>()
  let deaf = false

  const server = createServer((client) => {
    const redis = connect(redisPort, '127.0.0.1')
    sockets.add(client).add(redis)
    client.on('data', (chunk: Buffer) => {
      if (chunk.toString('latin1').toLowerCase().includes('subscribe')) held.set(client, [])
      redis.write(chunk)
    })
    redis.on('data', (chunk: Buffer) => {
      const waiting = held.get(client)
      if (deaf && waiting !== undefined) waiting.push(chunk)
      else client.write(chunk)
    })
    for (const [one, other] of [
      [client, redis],
      [redis, client],
    ] as const) {
      one.on('error', () => {})
      one.on('close', () => {
        other.destroy()
        sockets.delete(one)
        held.delete(client)
      })
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')

  return {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    makeDeaf() {
      deaf = true
    },
    makeHear() {
      deaf = false
      for (const [client, chunks] of held) {
        for (const chunk of chunks.splice(0)) client.write(chunk)
      }
    },
    close() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}
