import { AppError } from '@reference/errors'
import {
  type App,
  described,
  hotRow,
  IdParams,
  NOT_CHANGED,
  problem,
  sendCached,
  shortReply,
} from '@reference/http'
import { User } from '@reference/shop/users/model'
import type { Context } from '../context.ts'

/** `GET /users/:id`: one user through both cache tiers, from the entries that the reference-api keeps coherent. */
export function userRoute(app: App, { users }: Context): void {
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
    (request, reply) => sendCached(reply, users, request.params.id, noSuchUser),
  )
}

const noSuchUser = () => new AppError('NOT_FOUND', 404, 'There is no such user')
