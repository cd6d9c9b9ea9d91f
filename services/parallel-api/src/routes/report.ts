import { DeadlineError } from '@reference/async'
import { type App, ProblemSchema, problem, sendJson } from '@reference/http'
import { Type } from 'typebox'
import { forClient } from '../for-client.ts'
import type { Engine, Reports } from '../report/report.ts'
import type { ReportCache } from '../report-cache.ts'

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
 * `GET /report`: orders and revenue of all orders by category and day, as of the question. `cached=true` takes what was
 * computed within the TTL, and says how old it is.
 */
export function reportRoute(app: App, reports: Reports, cache: ReportCache): void {
  const Engines = Type.Unsafe<Engine>(Type.String({ enum: [reports.engine, 'sql'] }))
  const Query = Type.Object({
    engine: Type.Optional(
      Type.Unsafe<Engine>({
        ...Engines,
        default: reports.engine,
        description: '`sql` lets the database add up',
      }),
    ),
    cached: Type.Optional(
      Type.Boolean({ description: `It may be up to ${cache.ttlSeconds} s old; see \`age\` and \`x-cache\`` }),
    ),
  })
  app.get(
    '/report',
    {
      schema: {
        tags: ['parallel'],
        summary: 'Orders and revenue by category and day, over all orders',
        querystring: Query,
        response: {
          200: Type.Object({ engine: Engines, rows: Type.Array(Row) }),
          503: ProblemSchema,
          504: ProblemSchema,
        },
      },
    },
    async (request, reply) => {
      const { engine = reports.engine, cached = false } = request.query
      try {
        if (cached) {
          const { json, computedAt, from } = await cache.get(engine)
          reply.headers({
            'x-cache': from,
            age: Math.floor((performance.now() - computedAt) / 1000),
            'cache-control': `max-age=${cache.ttlSeconds}`,
          })
          return sendJson(reply, json)
        }
        return sendJson(reply, await forClient(request, (signal) => reports.run(engine, signal)))
      } catch (error) {
        if (error instanceof DeadlineError)
          throw problem(504, 'REPORT_TIMED_OUT', `The report ${error.message}`)
        throw error
      }
    },
  )
}
