import { abortable } from '@reference/async'
import { codeOf, type Open, probeError } from '@reference/probes'

/** A vanished peer is noticed within two heartbeats. */
const HEARTBEAT_SECONDS = 10

/** Probes RabbitMQ: the AMQP 0-9-1 handshake once, then opens and closes a channel, two round trips through the broker. */
export const openRabbitmq =
  (url: string, connectTimeoutMs: number): Open =>
  async (signal, onLost) => {
    const { default: amqp } = await import('amqplib')
    const to = new URL(url)
    if (!to.searchParams.has('heartbeat')) to.searchParams.set('heartbeat', `${HEARTBEAT_SECONDS}`)
    const connecting = amqp.connect(to.href, {
      timeout: connectTimeoutMs,
      clientProperties: { connection_name: 'health' },
    })
    // A connection that is established after the abort must not stay open.
    signal.addEventListener('abort', () => connecting.then(destroy, () => {}), { once: true })
    const connection = await abortable(connecting, signal).catch((error) => {
      throw withCode(error)
    })
    connection.on('error', onLost).on('close', onLost)
    return {
      async ask() {
        const channel = await connection.createChannel()
        channel.on('error', () => {})
        await channel.close()
      },
      destroy: () => destroy(connection),
    }
  }

/** amqplib's own close waits for the broker, which may hang. Its socket is not in its types. */
function destroy(model: { connection: object }): void {
  const { stream } = model.connection as { stream?: { destroy(): void } }
  stream?.destroy()
}

/** A refusal of the broker has its AMQP code only in the message. */
function withCode(error: unknown): unknown {
  if (!(error instanceof Error) || codeOf(error) !== undefined) return error
  const [, name] = /\(([A-Z]+[-_][A-Z]+)\)/.exec(error.message) ?? []
  return probeError(name ?? (/TIMEDOUT/.test(error.message) ? 'ETIMEDOUT' : 'ERROR'), error.message, error)
}
