import type { CacheHit, Namespace } from '@reference/cache'
import { type App, IdParams, ProblemSchema, problem } from '@reference/http'
import { User } from '@reference/model'
import type { FastifyReply } from 'fastify'
import { sendJson } from '../send-json.ts'

/**
 * `GET /users/:id`: one user through both cache tiers. What is cached is the JSON itself, so a hit is sent as it is, and
 * one in tier 1 without a promise.
 */
export function userRoute(app: App, users: Namespace<number, User>): void {
  app.get(
    '/users/:id',
    {
      schema: {
        tags: ['users'],
        summary: 'One user; `x-cache` says where it came from: l1, l2, miss or off',
        params: IdParams,
        response: { 200: User, 404: ProblemSchema },
      },
    },
    (request, reply) => {
      const { id } = request.params
      const hit = users.getSync(id)
      if (hit !== undefined) return send(reply, hit)
      return users.get(id).then((found) => send(reply, found))
    },
  )
}

function send(reply: FastifyReply, { bytes, from }: CacheHit<User>): void {
  reply.header('x-cache', from)
  if (bytes === undefined) throw problem(404, 'NOT_FOUND', 'There is no such user')
  sendJson(reply, bytes)
}
