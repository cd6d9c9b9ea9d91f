import t from 'tap'
import { createRetryBudget } from './retry-budget.ts'

/** Fails `calls` calls in a row. @returns how many of them may be retried */
function failAll(budget: ReturnType<typeof createRetryBudget>, calls: number): number {
  let retries = 0
  for (let call = 0; call < calls; call++) {
    budget.earn()
    if (budget.spend()) retries++
  }
  return retries
}

t.test('a quiet service may retry its first failures', async (t) => {
  t.equal(failAll(createRetryBudget(), 10), 10)
})

t.test('when every call fails, retries stay near a tenth of the calls', async (t) => {
  const budget = createRetryBudget()
  failAll(budget, 100)
  const retries = failAll(budget, 1000)
  t.ok(retries >= 99 && retries <= 101, `${retries} retries`)
})

t.test('no more than the reserve is saved up', async (t) => {
  const budget = createRetryBudget({ reserve: 2 })
  for (let call = 0; call < 1000; call++) budget.earn()
  t.same([budget.spend(), budget.spend(), budget.spend()], [true, true, false])
})
