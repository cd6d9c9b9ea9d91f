/** The files of infra/prometheus/tests: one for each group of alerts. */
export const ruleTests = [
  'requests',
  'objective',
  'replicas',
  'database',
  'cache',
  'jobs',
  'machine',
  'systems',
  'observers',
]
