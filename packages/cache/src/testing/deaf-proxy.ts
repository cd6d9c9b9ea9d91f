import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/**
 * A proxy in front of Redis with two faults of a network.
 *
 * - Deaf: nothing is closed and commands still pass, but replies on connections that have subscribed are held back, as behind
 *   a half-open connection. Only tracking links subscribe.
 * - Cut: open connections are closed and new ones are refused, while Redis itself goes on with its data.
 */
export async function createDeafProxy(redisPort: number) {
  const held = new Map<Socket, Buffer[]>()
  const sockets = new Set<Socket>()
  let isDeaf = false
  let isCut = false

  const server = createServer((client) => {
    if (isCut) {
      client.destroy()
      return
    }
    const redis = connect(redisPort, '127.0.0.1')
    sockets.add(client).add(redis)
    client.on('data', (chunk: Buffer) => {
      if (chunk.toString('latin1').toLowerCase().includes('subscribe')) held.set(client, [])
      redis.write(chunk)
    })
    redis.on('data', (chunk: Buffer) => {
      const chunks = held.get(client)
      if (isDeaf && chunks !== undefined) chunks.push(chunk)
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

  const closeAll = () => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    makeDeaf() {
      isDeaf = true
    },
    endDeafness() {
      isDeaf = false
      for (const [client, chunks] of held) {
        for (const chunk of chunks.splice(0)) client.write(chunk)
      }
    },
    cut() {
      isCut = true
      closeAll()
    },
    mend() {
      isCut = false
    },
    close() {
      server.close()
      closeAll()
    },
  }
}
