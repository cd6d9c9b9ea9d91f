import type { CacheHit, Namespace } from '@reference/cache'
import type { FastifyReply } from 'fastify'

/** For calls on one row, which is shorter than what is compressed: without the hook a reply costs 1.7 µs less. */
export const shortReply = { compress: false } as const

/**
 * Answers with a cached row. What is cached is the JSON itself, so a hit is sent as it is; a tier-1 hit is answered
 * without a promise. `x-cache` says where it came from.
 *
 * @param missing makes the error for a row that does not exist
 */
export function sendCached<Key extends string | number, Value>(
  reply: FastifyReply,
  namespace: Namespace<Key, Value>,
  key: Key,
  missing: () => Error,
): void | Promise<void> {
  const hit = namespace.getSync(key)
  if (hit !== undefined) return send(reply, hit, missing)
  return namespace.get(key).then((found) => send(reply, found, missing))
}

function send<Value>(reply: FastifyReply, { bytes, from }: CacheHit<Value>, missing: () => Error): void {
  reply.header('x-cache', from)
  if (bytes === undefined) throw missing()
  reply.type('application/json; charset=utf-8').send(bytes)
}
