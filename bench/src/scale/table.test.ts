import t from 'tap'
import { SAMPLE_FINGERPRINT } from '../../testing/sample-results.ts'
import type { ScaleResults } from '../report/scale-schema.ts'
import { faultsOf, renderScale } from './table.ts'

const ONE = { ratio: 1, low: 1, high: 1 }

function results(growth: { ratio: number; low: number; high: number | null }): ScaleResults {
  return {
    schemaVersion: 1,
    kind: 'scale',
    startedAt: '2026-11-29T00:00:00.000Z',
    command: 'bench scale',
    fingerprint: SAMPLE_FINGERPRINT,
    ratePerSecond: 300,
    databases: [
      { factor: 1, users: 10_000, orders: 50_000 },
      { factor: 100, users: 1_000_000, orders: 5_000_000 },
    ],
    calls: [
      {
        name: 'an order',
        sizes: [
          { p50Ms: 0.4, p99Ms: 0.9, growth: ONE, errors: 0 },
          { p50Ms: 0.5, p99Ms: 1, growth, errors: 0 },
        ],
        statements: [
          { statement: 'order_by_id', accesses: ['Index Scan orders_pkey'], pages: [3, 4], faults: [] },
        ],
      },
    ],
    replicas: [
      { replicas: 1, ratePerSecond: 1800, gain: ONE },
      { replicas: 2, notRun: 'needs 3 cores, this machine has 2', ratePerSecond: 0, gain: ONE },
    ],
  }
}

t.test('the table has a row for each call, its plan, and the replicas', async (t) => {
  const text = renderScale(results({ ratio: 1.08, low: 1.01, high: 1.15 }))
  t.match(text, /100×: 1,000,000 users, 5,000,000 orders/)
  t.match(text, /an order +0\.40 +0\.90 +1\.08× +1\.01–1\.15 +1\.00 +Index Scan orders_pkey/)
  t.match(text, /2 behind nginx +– +– +not run: needs 3 cores/)
})

t.test('a growth is a fault once its whole interval lies above the limit', async (t) => {
  t.same(faultsOf(results({ ratio: 1.4, low: 1.2, high: 1.6 })), [])
  t.same(faultsOf(results({ ratio: 1.5, low: 1.35, high: null })), [
    'an order takes 1.50 times as long with 100× the rows',
  ])
})

t.test('failed requests and faults of a plan are reported', async (t) => {
  const [call] = results(ONE).calls
  if (call === undefined) throw new Error('no call')
  const [small, large] = call.sizes
  if (small === undefined || large === undefined) throw new Error('no sizes')
  const faulty = {
    ...call,
    sizes: [small, { ...large, errors: 3 }],
    statements: call.statements.map((each) => ({ ...each, faults: ['reads all of orders'] })),
  }
  t.same(faultsOf({ ...results(ONE), calls: [faulty] }), [
    'an order: 3 requests failed with 100× the rows',
    'an order: order_by_id reads all of orders',
  ])
})
