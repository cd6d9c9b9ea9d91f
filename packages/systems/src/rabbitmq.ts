import { codeOf, systemError } from './errors.ts'
import type { Open } from './link.ts'
import { untilAborted } from './link.ts'

/** A peer that vanished is noticed within two of these. */
const HEARTBEAT_SECONDS = 10

/** RabbitMQ: the AMQP 0-9-1 handshake once, then a channel is opened and closed, two round trips through the broker. */
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
    // Too late to be used: it must not stay open.
    signal.addEventListener('abort', () => connecting.then(destroy, () => {}), { once: true })
    const connection = await untilAborted(signal, connecting).catch((error) => {
      throw nameOf(error)
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

/** amqplib only closes in order, which waits for a broker that hangs; its socket is not in its types. */
function destroy(model: { connection: object }): void {
  const { stream } = model.connection as { stream?: { destroy(): void } }
  stream?.destroy()
}

/** What the broker says when it refuses has its AMQP code only in the message. */
function nameOf(error: unknown): unknown {
  if (!(error instanceof Error) || codeOf(error) !== undefined) return error
  const [, name] = /\(([A-Z]+[-_][A-Z]+)\)/.exec(error.message) ?? []
  return systemError(name ?? (/TIMEDOUT/.test(error.message) ? 'ETIMEDOUT' : 'ERROR'), error.message, error)
}
