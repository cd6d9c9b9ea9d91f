import { parser } from '@grafana/lezer-logql'
import t from 'tap'
import { dashboardExpressions } from './expressions.ts'

t.test('every LogQL query of the dashboards parses', (t) => {
  const queries = dashboardExpressions().filter(({ kind }) => kind === 'logs')
  t.ok(queries.length > 0)
  for (const { where, text } of queries) {
    const faults: number[] = []
    parser.parse(text).iterate({
      enter: ({ type, from }) => {
        if (type.isError) faults.push(from)
      },
    })
    t.strictSame(faults, [], `${where}: ${text}`)
  }
  t.end()
})
