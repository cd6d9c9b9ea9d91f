import { DeadlineError } from '@reference/async'
import { AppError } from '@reference/errors'
import { type App, described, problem, sendJson } from '@reference/http'
import { Type } from 'typebox'
import type { Context } from '../context.ts'
import { forClient } from '../for-client.ts'
import type { Engine } from '../report/report.ts'

const Row = Type.Object({
  category: Type.String({ examples: ['home'] }),
  day: Type.String({ format: 'date', description: 'In UTC', examples: ['2026-01-31'] }),
  orders: Type.Integer({ minimum: 1, examples: [12] }),
  revenueCents: Type.Integer({
    minimum: 0,
    description: 'Exact. A sum may pass 2^53: read it as a big integer where orders are that large',
    examples: [47760],
  }),
})

/**
 * `GET /report`: orders and revenue of all orders by category and day, as of the request. `cached=true` accepts a report that
 * was computed within the TTL; the reply has its age.
 */
export function reportRoute(app: App, { reports, reportCache }: Context): void {
  const Engines = Type.Unsafe<Engine>(Type.String({ enum: [reports.engine, 'sql'] }))
  const Query = Type.Object({
    engine: Type.Optional(
      Type.Unsafe<Engine>({
        ...Engines,
        default: reports.engine,
        description: '`sql`: Postgres adds up',
      }),
    ),
    cached: Type.Optional(
      Type.Boolean({
        description: `Accept a report of up to ${reportCache.ttlSeconds} s old; see \`age\` and \`x-cache\``,
      }),
    ),
  })
  app.get(
    '/report',
    {
      config: { priority: 'report' },
      schema: {
        tags: ['parallel'],
        operationId: 'getReport',
        summary: 'Orders and revenue by category and day, over all orders',
        description: 'Fetched in parallel and computed in worker threads; `engine=sql` lets Postgres add up.',
        querystring: Query,
        response: {
          200: described('The report', Type.Object({ engine: Engines, rows: Type.Array(Row) })),
          503: problem('Too many reports wait'),
          504: problem('The report was not computed in time'),
        },
      },
    },
    async (request, reply) => {
      const { engine = reports.engine, cached = false } = request.query
      try {
        if (cached) {
          const { json, computedAt, from } = await reportCache.get(engine)
          reply.headers({
            'x-cache': from,
            age: Math.floor((performance.now() - computedAt) / 1000),
            'cache-control': `max-age=${reportCache.ttlSeconds}`,
          })
          return sendJson(reply, json)
        }
        return sendJson(reply, await forClient(reply, (signal) => reports.run(engine, signal)))
      } catch (error) {
        if (error instanceof DeadlineError)
          throw new AppError('REPORT_TIMED_OUT', 504, `The report ${error.message}`, { expose: true })
        throw error
      }
    },
  )
}
