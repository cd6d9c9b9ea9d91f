import type { FastifyReply } from 'fastify'

/** Sends JSON that is written already: no serialiser runs. The route's schema is documentation, and the tests' measure. */
export function sendJson(reply: FastifyReply, json: string | Buffer): FastifyReply {
  return reply.type('application/json; charset=utf-8').send(json)
}
