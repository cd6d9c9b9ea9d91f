/**
 * Fastify without any of this repository: the same routes with the schemas that a Fastify application would have, and users
 * from a Map.
 *
 * Settings: `PORT`, and `REPLIES`, a file of recorded replies.
 */
import { readFileSync } from 'node:fs'
import { fastify } from 'fastify'
import type { RecordedReplies } from './recorded-replies.ts'

interface User {
  readonly id: number
}

const recorded = JSON.parse(readFileSync(process.env.REPLIES ?? '', 'utf8')) as RecordedReplies
const users = new Map(
  Object.entries(recorded)
    .filter(([path]) => /^\/users\/\d+$/.test(path))
    .map(([, { body }]) => JSON.parse(Buffer.from(body, 'base64').toString()) as User)
    .map((user) => [user.id, user]),
)

const app = fastify({ keepAliveTimeout: 65_000 })

const Health = { type: 'object', properties: { status: { type: 'string' } } }
app.get('/health', { schema: { response: { 200: Health } } }, () => ({ status: 'ok' }))

const Params = { type: 'object', properties: { id: { type: 'integer', minimum: 1 } }, required: ['id'] }
const UserSchema = {
  type: 'object',
  properties: {
    id: { type: 'integer' },
    email: { type: 'string' },
    name: { type: 'string' },
    createdAt: { type: 'string' },
  },
}
app.get<{ Params: User }>(
  '/users/:id',
  { schema: { params: Params, response: { 200: UserSchema } } },
  ({ params: { id } }, reply) => users.get(id) ?? reply.callNotFound(),
)

await app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' })
