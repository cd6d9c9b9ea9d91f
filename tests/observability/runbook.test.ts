import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ruleTests } from './rule-tests.ts'

const root = join(import.meta.dirname, '../..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const alertRules = ['alerts', 'production']
  .map((name) => read(`infra/prometheus/rules/${name}.yml`))
  .join('\n')
const all = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, name]) => name)

t.test('every alert has its section in the runbook, and every section its alert', (t) => {
  const alerts = all(alertRules, /- alert: (\w+)/g)
  t.ok(alerts.length > 30)
  t.strictSame(all(read('docs/RUNBOOK.md'), /^### (\w+)$/gm).sort(), alerts.toSorted())
  t.end()
})

t.test('every alert has a severity, a summary and its link', (t) => {
  for (const rule of alertRules.split('- alert: ').slice(1)) {
    const [name = ''] = rule.split('\n', 1)
    t.match(rule, /severity: (critical|warning|none)/, name)
    t.match(rule, /summary: "?.+/, name)
    t.match(rule, `runbook: docs/RUNBOOK.md#${name.toLowerCase()}`, name)
  }
  t.end()
})

t.test('every alert has a firing case and, except for the watchdog, a silent case', (t) => {
  const files = readdirSync(join(root, 'infra/prometheus/tests')).map((file) => file.replace('.yml', ''))
  t.strictSame(files.sort(), ruleTests.toSorted(), 'every file of cases runs')
  const cases = ruleTests.flatMap((group) =>
    read(`infra/prometheus/tests/${group}.yml`).split('- name: ').slice(1),
  )
  // A case is identified by its query and expected samples, not by its name.
  const asks = (alert: string | undefined, samples: RegExp) =>
    cases.some((text) => text.includes(`ALERTS{alertname="${alert}"`) && samples.test(text))
  for (const alert of all(alertRules, /- alert: (\w+)/g)) {
    t.ok(asks(alert, /exp_samples:\s*(\[\s*\{|- \{)/), `${alert} fires`)
    if (alert !== 'Watchdog') t.ok(asks(alert, /exp_samples: \[\]/), `${alert} is silent`)
  }
  t.end()
})
