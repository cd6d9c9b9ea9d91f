import { startService, testDatabase } from '@reference/local-stack'
import t from 'tap'

for (const service of ['reference-api', 'reference-worker', 'parallel-api'] as const) {
  t.test(`${service} starts, and warns once of each misspelt setting`, async (t) => {
    const { url } = await testDatabase(t)
    const { listening, output } = startService(t, service, {
      DATABASE_URL: url,
      CHACHE_L1: 'off',
      AUTH_TOKEN_FILE: '/run/secrets/hunter2',
    })
    await listening()
    const lines = output.text
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line))
    const warnings = lines.filter(({ setting }) => setting !== undefined)
    t.match(warnings, [
      { level: 'warn', name: 'CHACHE_L1', setting: 'CACHE_L1', msg: /CHACHE_L1.*CACHE_L1/ },
      { level: 'warn', name: 'AUTH_TOKEN_FILE', setting: 'AUTH_TOKENS_FILE' },
    ])
    t.equal(warnings.length, 2)
    t.notMatch(output.text, /hunter2/)
  })
}
