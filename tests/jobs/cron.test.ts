import { until } from '@reference/async'
import { createHarness, tick } from '@reference/jobs/testing'
import t from 'tap'

// Cron counts minutes, and the nightly run waits for two: SLOW_TESTS=on pnpm test tests/jobs/cron
const skip = process.env.SLOW_TESTS === 'on' ? false : 'takes two minutes: SLOW_TESTS=on'

t.setTimeout(170_000)

t.test('a cron job runs each minute, once in all processes together', { skip }, async (t) => {
  const { open } = await createHarness(t)
  const minutes: string[] = []
  for (const jobs of [open({ definitions: [tick] }), open({ definitions: [tick] })]) {
    jobs.work(tick, ({ data }) => {
      if (data.from === 'the clock') minutes.push(new Date().toISOString().slice(0, 16))
      return null
    })
  }
  await until('two jobs have run', () => minutes.length >= 2, { timeoutMs: 160_000 })
  t.equal(new Set(minutes).size, minutes.length, minutes.join(', '))
})
