import { codeOf, systemError } from './errors.ts'
import type { Open } from './link.ts'

/** MongoDB: `ping` on the server that the driver selects. The driver keeps, watches and mends its own connections. */
export const openMongodb =
  (url: string, connectTimeoutMs: number): Open =>
  async (signal) => {
    const { MongoClient } = await import('mongodb')
    signal.throwIfAborted()
    const client = new MongoClient(url, {
      maxPoolSize: 1,
      connectTimeoutMS: connectTimeoutMs,
      serverSelectionTimeoutMS: connectTimeoutMs,
      appName: 'health',
    })
    let servers = 1
    client.on('topologyDescriptionChanged', ({ newDescription }) => {
      servers = newDescription.servers.size
    })
    return {
      async ask() {
        // The driver goes on trying until its time is up and then says only that; why is in the heartbeats.
        const refused = Promise.withResolvers<never>()
        const failed = new Set<string>()
        const onFailed = (event: { connectionId: string; failure: Error }) => {
          failed.add(event.connectionId)
          if (failed.size >= servers) refused.reject(event.failure)
        }
        client.on('serverHeartbeatFailed', onFailed)
        try {
          await Promise.race([client.db('admin').command({ ping: 1 }), refused.promise])
        } catch (error) {
          throw nameOf(error as Error)
        } finally {
          client.off('serverHeartbeatFailed', onFailed)
        }
      },
      destroy: () => client.close(),
    }
  }

function nameOf(error: Error): Error {
  const name = codeOf(error) ?? ('codeName' in error ? String(error.codeName) : undefined)
  return systemError(name ?? 'UNAVAILABLE', error.message, error)
}
