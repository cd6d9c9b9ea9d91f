import {
  isCheckViolation,
  isForeignKeyViolation,
  isUniqueViolation,
  rowNotRepresentable,
} from '@reference/database'
import { mustExist } from '@reference/errors'
import {
  type App,
  checkIfMatch,
  clientSignal,
  created,
  createSharedReplies,
  described,
  etagOf,
  hotRow,
  ID_CURSOR,
  IdempotencyHeaders,
  IdParams,
  IfMatchHeader,
  NOT_CHANGED,
  PageQuery,
  page,
  problem,
  readPage,
  sendCached,
  sendStored,
  shortReply,
} from '@reference/http'
import { checkedUser, userEntry } from '@reference/shop/users/cache'
import { Email, PersonName, User } from '@reference/shop/users/model'
import { deleteUser, insertUser, lockUser, updateUser, usersPage } from '@reference/shop/users/queries'
import { Type } from 'typebox'
import type { Context } from '../context.ts'
import { emailTaken, notFound, userHasOrders } from '../errors.ts'

const NewUser = Type.Object({ email: Email, name: PersonName }, { additionalProperties: false })
const UserPatch = Type.Partial(NewUser, { additionalProperties: false, minProperties: 1 })

export function userRoutes(app: App, context: Context): void {
  addReads(app, context)
  addWrites(app, context)
}

function addReads(app: App, { database, cached, config }: Context): void {
  const users = cached(userEntry)
  const sendPage = createSharedReplies(config.sharedReads)

  app.get(
    '/users/:id',
    {
      ...shortReply,
      config: hotRow(users),
      schema: {
        tags: ['users'],
        operationId: 'getUser',
        summary: 'One user',
        description: 'The header `x-cache` names the source: `l1`, `l2`, `miss` or `off`.',
        params: IdParams,
        response: {
          200: described('The user; with an `etag` if the request has `if-none-match`', User),
          304: NOT_CHANGED,
          404: problem('There is no such user'),
        },
      },
    },
    (request, reply) => sendCached(reply, users, request.params.id, () => notFound('user')),
  )

  app.get(
    '/users',
    {
      schema: {
        tags: ['users'],
        operationId: 'listUsers',
        summary: 'A page of users, by id',
        querystring: PageQuery,
        response: { 200: described('A page; `next` is null on the last one', page(User)) },
      },
    },
    ({ query: { limit = 50, after } }, reply) => {
      const from = after === undefined ? 0 : ID_CURSOR.decode(after).id
      const read = (signal: AbortSignal) => (rows: number) =>
        database.replica.bytes(usersPage, { after: from, limit: rows }, { signal })
      const readShared = (signal: AbortSignal) => readPage(limit, read(signal), usersPage, ID_CURSOR)
      return sendPage(reply, `${limit} ${from}`, readShared, clientSignal(reply))
    },
  )
}

function addWrites(app: App, { cached, write, once }: Context): void {
  const users = cached(userEntry)

  app.post(
    '/users',
    {
      config: { scope: 'write' },
      schema: {
        tags: ['users'],
        operationId: 'createUser',
        summary: 'Create a user',
        headers: IdempotencyHeaders,
        body: NewUser,
        response: {
          201: described('The new user; `location` has its path', User),
          409: problem('Another user has this email'),
          422: problem('The idempotency-key was used with another body'),
        },
      },
    },
    async (request, reply) => {
      const insert = once(request, async (tx) => {
        const user = mustExist(await tx.first(insertUser, request.body))
        // A 404 for this id may be cached.
        return { result: created(`/users/${user.id}`, user), staleKeys: [users.keyOf(user.id)] }
      })
      return sendStored(
        reply,
        await write(insert, { waitSignal: clientSignal(reply) }).catch(refuseTakenEmail),
      )
    },
  )

  app.patch(
    '/users/:id',
    {
      config: { scope: 'write' },
      schema: {
        tags: ['users'],
        operationId: 'updateUser',
        summary: 'Change the email or the name of a user',
        params: IdParams,
        headers: IfMatchHeader,
        body: UserPatch,
        response: {
          200: described('The changed user', User),
          404: problem('There is no such user'),
          409: problem('Another user has this email'),
          412: problem('The user is not the one that `if-match` names'),
        },
      },
    },
    async (request, reply) => {
      const { id } = request.params
      const { email = null, name = null } = request.body
      const changed = await write(
        async (tx) => {
          if (request.headers['if-match'] !== undefined) {
            const present = await tx.first(lockUser, { id })
            if (present !== undefined) checkIfMatch(request, present)
          }
          const user = checkedUser(await tx.first(updateUser, { id, email, name }))
          if (user === undefined) throw notFound('user')
          return { result: user, staleKeys: [users.keyOf(id)] }
        },
        { waitSignal: clientSignal(reply) },
      ).catch((error: unknown) => {
        // What was sent is valid: the row itself is from before the check.
        if (isCheckViolation(error)) throw rowNotRepresentable('user', id, error)
        return refuseTakenEmail(error)
      })
      reply.header('etag', etagOf(JSON.stringify(changed)))
      return changed
    },
  )

  app.delete(
    '/users/:id',
    {
      config: { scope: 'write' },
      schema: {
        tags: ['users'],
        operationId: 'deleteUser',
        summary: 'Delete a user without orders',
        params: IdParams,
        response: {
          204: described('The user is deleted', Type.Null()),
          404: problem('There is no such user'),
          409: problem('The user has orders'),
        },
      },
    },
    async (request, reply) => {
      const { id } = request.params
      await write(
        async (tx) => {
          const deleted = await tx.first(deleteUser, { id })
          if (deleted === undefined) throw notFound('user')
          return { result: undefined, staleKeys: [users.keyOf(id)] }
        },
        { waitSignal: clientSignal(reply) },
      ).catch((error: unknown) => {
        throw isForeignKeyViolation(error) ? userHasOrders(error) : error
      })
      return reply.code(204).send(null)
    },
  )
}

/** The unique index decides: a check before the insert could be overtaken. */
function refuseTakenEmail(error: unknown): never {
  throw isUniqueViolation(error, 'users_email_unique') ? emailTaken(error) : error
}
