import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { sampleMeasured, sampleResults, sampleScenario } from '../../testing/sample-results.ts'
import { readResults, writeResults } from './results-file.ts'
import { schemaText } from './schema-text.ts'

const results = sampleResults([
  sampleMeasured(sampleScenario('user-by-id', ['CACHE_L1=off']), { tuned: 20_000, 'CACHE_L1=off': 9000 }),
])

t.test('results are written and read back, valid against the schema', async (t) => {
  const file = join(t.testdir({}), 'deep', 'run.json')
  writeResults(file, results)
  t.same(readResults(file), results)
})

t.test('the published schema is the one that results are checked against', async (t) => {
  const published = readFileSync(new URL('../../results.schema.json', import.meta.url), 'utf8')
  t.same(JSON.parse(published), JSON.parse(schemaText()), 'node bench/src/commands/write-schema.ts writes it')
})

t.test('results of an interrupted run without a single boot are valid', async (t) => {
  const file = join(t.testdir({}), 'run.json')
  writeResults(file, sampleResults([sampleMeasured(sampleScenario('all', ['off']), {})], { complete: false }))
  t.match(readResults(file), { complete: false, scenarios: [{ comparisons: [{ verdict: 'refused' }] }] })
})

t.test('what is no result is refused, with the places that do not fit', async (t) => {
  const folder = t.testdir({ 'a.json': '{', 'b.json': '{"schemaVersion":2}' })
  t.throws(() => readResults(join(folder, 'none.json')), { code: 'RESULTS_UNREADABLE' })
  t.throws(() => readResults(join(folder, 'a.json')), { code: 'RESULTS_UNREADABLE' })
  t.throws(() => readResults(join(folder, 'b.json')), { code: 'RESULTS_INVALID', message: /schemaVersion/ })
  const broken = { ...results, seconds: -1 }
  t.throws(() => writeResults(join(folder, 'c.json'), broken), {
    code: 'RESULTS_INVALID',
    message: /seconds/,
  })
})
