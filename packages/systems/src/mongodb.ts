import { codeOf, type Open, probeError } from '@reference/probes'

/** Probes MongoDB by `ping` on the server that the driver selects. The driver keeps and replaces its own connections. */
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
        // The driver retries until its limit and then reports only the limit; the reason is in its heartbeats.
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
          throw withCode(error as Error)
        } finally {
          client.off('serverHeartbeatFailed', onFailed)
        }
      },
      destroy: () => client.close(),
    }
  }

function withCode(error: Error): Error {
  const code = codeOf(error) ?? ('codeName' in error ? String(error.codeName) : undefined)
  return probeError(code ?? 'UNAVAILABLE', error.message, error)
}
