import t from 'tap'
import { faultsOf, type PlanNode, tablesWithoutIndex } from './plan.ts'

t.test(
  'a plan fails for a big table that is read whole, and for rows that it looked at in vain',
  async (t) => {
    const tables = new Map([
      ['orders', 50_000],
      ['products', 20],
    ])
    const scan = (node: Partial<PlanNode>): PlanNode => ({
      'Node Type': 'Limit',
      'Plan Rows': 1,
      Plans: [{ 'Node Type': 'Seq Scan', 'Plan Rows': 1, ...node }],
    })
    t.same(faultsOf(scan({ 'Relation Name': 'products' }), tables), [])
    t.same(faultsOf(scan({ 'Relation Name': 'orders', Filter: '(user_id = 42)' }), tables), [
      'reads all of orders (50000 rows): no index serves (user_id = 42)',
    ])
    const backwards = {
      'Node Type': 'Index Scan',
      'Relation Name': 'orders',
      'Index Name': 'orders_created_at_id_idx',
      'Actual Rows': 5,
      'Actual Loops': 1,
      'Rows Removed by Filter': 49_995,
      Filter: '(user_id = 42)',
    }
    t.same(faultsOf(scan(backwards), tables), [
      'looks at 50000 rows of orders for 5 of them (Index Scan of orders_created_at_id_idx, then (user_id = 42))',
    ])
    t.same(faultsOf(scan({ ...backwards, 'Rows Removed by Filter': 400 }), tables), [])
    t.same(tablesWithoutIndex(scan({ 'Relation Name': 'products', Filter: '(id = 1)' })), [
      'has no index of products to use for (id = 1)',
    ])
  },
)
