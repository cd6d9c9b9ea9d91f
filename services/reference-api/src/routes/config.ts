import { mustExist } from '@reference/errors'
import { type App, clientSignal, described, hotKey, NOT_CHANGED, problem, sendCached } from '@reference/http'
import { settingEntry } from '@reference/shop/settings/cache'
import { Setting } from '@reference/shop/settings/model'
import { putSetting } from '@reference/shop/settings/queries'
import { Type } from 'typebox'
import type { Context } from '../context.ts'
import { notFound } from '../errors.ts'

const KEY = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/

const KeyParams = Type.Object(
  { key: Type.String({ pattern: KEY.source, examples: ['checkout.enabled'] }) },
  { additionalProperties: false },
)
const NewValue = Type.Object({ value: Type.Unknown({ examples: [true] }) }, { additionalProperties: false })

/** Settings that the application reads while it runs, kept in the database and in every process's tier 1. */
export function configRoutes(app: App, { cached, write, config }: Context): void {
  const settings = cached(settingEntry)

  app.get(
    '/config/:key',
    {
      config: { scope: 'admin', ...hotKey(settings, KEY) },
      schema: {
        tags: ['config'],
        operationId: 'getSetting',
        summary: 'One setting of the application',
        params: KeyParams,
        response: {
          200: described('The setting; with an `etag` if the request has `if-none-match`', Setting),
          304: NOT_CHANGED,
          404: problem('There is no such setting'),
        },
      },
    },
    (request, reply) => sendCached(reply, settings, request.params.key, () => notFound('setting')),
  )

  app.put(
    '/config/:key',
    {
      config: { scope: 'admin' },
      schema: {
        tags: ['config'],
        operationId: 'putSetting',
        summary: 'Create or change a setting',
        params: KeyParams,
        body: NewValue,
        response: {
          200: described('The changed setting', Setting),
          201: described('The new setting', Setting),
        },
      },
    },
    async (request, reply) => {
      const { key } = request.params
      const valueJson = JSON.stringify(request.body.value)
      const { created, ...setting } = await write(
        async (tx) => {
          const put = mustExist(await tx.first(putSetting, { key, valueJson }))
          return { result: put, staleKeys: [settings.keyOf(key)] }
        },
        { waitSignal: clientSignal(reply) },
      )
      if (config.cacheL1) {
        // Load the new value after the reply, so that no request has to wait for the database. A read that fails, as during a
        // shutdown, costs the next reader that wait.
        setImmediate(() => {
          settings
            .get(key)
            .catch((error) => request.log.debug({ err: error }, 'a changed setting was not loaded'))
        })
      }
      return reply.code(created ? 201 : 200).send(setting)
    },
  )
}
