import t from 'tap'
import { renderInfra } from './infra.ts'

t.test('each figure has the range of the guide and its position in it', async (t) => {
  const table = renderInfra([
    { what: 'Postgres, transactions', perSecond: 1000, expected: [2000, 3000] },
    { what: 'Redis SET', perSecond: 61_234.5, expected: [50_000, 80_000] },
    { what: 'Redis GET', perSecond: 200_000, expected: [60_000, 100_000] },
    { what: 'Redis GET, pipelines', perSecond: 500_000 },
  ])
  t.match(table, /Postgres, transactions +1,000\/s +2,000–3,000\/s {2}below: 0\.50× its lower end/)
  t.match(table, /Redis SET +61,235\/s +50,000–80,000\/s {2}within/)
  t.match(table, /Redis GET +200,000\/s +60,000–100,000\/s {2}above: 2\.00× its upper end/)
  t.match(table, /Redis GET, pipelines +500,000\/s +–$/m)
})
