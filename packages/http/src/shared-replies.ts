import { createSharedReads } from '@reference/async'
import type { FastifyReply } from 'fastify'
import { sendJson } from './cached-reply.ts'

/**
 * Sends the reply of a read. Requests with the same key at the same time share a read and its JSON text.
 *
 * @param key everything that the reply depends on
 * @param read its result is written by the route's response schema; text or bytes are JSON already. The signal aborts when the last of the
 *   callers has left
 * @param signal aborting it makes this caller leave; without one the read runs to its end
 * @throws what the read throws, for each of its callers; the signal's reason
 */
export type SharedReplies = (
  reply: FastifyReply,
  key: string,
  read: (signal: AbortSignal) => Promise<object | string | Buffer>,
  signal?: AbortSignal,
) => Promise<void>

/**
 * Replies that are shared while they are read: each caller gets what was true after its request (`createSharedReads`).
 *
 * @param enabled `false`: every request reads by itself
 */
export function createSharedReplies(enabled: boolean): SharedReplies {
  const reads = createSharedReads<string | Buffer>(enabled)
  return async (reply, key, read, signal) => {
    const write = writerOf(reply)
    const readJson = async (shared: AbortSignal) => {
      const result = await read(shared)
      return typeof result === 'string' || Buffer.isBuffer(result) ? result : write(result)
    }
    return sendJson(reply, await reads(key, signal, readJson))
  }
}

/**
 * Writes values as the replies of this route with status 200. Not `reply.serialize`: it follows the status of its own reply, which
 * is another one once its client has left.
 */
function writerOf(reply: FastifyReply): (value: object) => string {
  return (reply.getSerializationFunction('200') as ((value: object) => string) | undefined) ?? JSON.stringify
}
