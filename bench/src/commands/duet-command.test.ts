import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { runBench } from '../../testing/run-bench.ts'
import { selectRows } from './select-rows.ts'

// Each test starts servers, fills them and measures.
t.setTimeout(600_000)

t.test('bench floor measures a path beside its floor on real servers', { timeout: 400_000 }, async (t) => {
  const out = join(t.testdir({}), 'floor.json')
  const args = ['floor', 'health', '--quick', '--users', '2000', '--products', '10', '--orders', '100']
  const { code, stdout, stderr } = await runBench([...args, '--build', 'sources', '--out', out])
  t.equal(code, 0, `${stdout}${stderr}`)
  t.match(stdout, /GET \/health[\s\S]*ours +[\d,]+[\s\S]*node:http, same bytes +[\d,]+[\s\S]*bare Fastify/)
  t.match(await runBench(['validate', out]), { code: 0, stdout: /floor\.json matches/ })
  const { kind, rows, starts } = JSON.parse(readFileSync(out, 'utf8'))
  t.equal(kind, 'floor')
  t.same(starts, [], 'start times are measured only with all rows')
  t.equal(rows.length, 1)
  for (const { name, figures, effect } of rows[0].sides) {
    t.equal(figures.errors, 0, name)
    t.equal(figures.boots.length, 2, name)
    t.ok(figures.rate > 0 && figures.generatorShare > 0 && figures.generatorShare <= 1, name)
    if (process.platform === 'linux') t.ok(figures.cpuMicros > 0 && figures.fixedRateCpuMicros > 0, name)
    t.equal(effect === undefined, name === 'ours', 'ours is compared with each other side')
  }
})

t.test(
  'bench peers without Go and Python shows both as not run, with the reason',
  { timeout: 400_000 },
  async (t) => {
    const out = join(t.testdir({}), 'peers.json')
    const args = [
      'peers',
      '--quick',
      'health',
      '--build',
      'sources',
      '--users',
      '100',
      '--products',
      '10',
      '--orders',
      '100',
      '--out',
      out,
    ]
    const none = { BENCH_GO: '/none/go', BENCH_PYTHON: '/none/python3' }
    const { code, stdout } = await runBench(args, undefined, none)
    t.equal(code, 0)
    t.match(stdout, /Go \(gin\): not run: there is no Go .*golang-go/)
    t.match(stdout, /FastAPI: not run: there is no python3 .*python3-fastapi/)
    const { rows } = JSON.parse(readFileSync(out, 'utf8'))
    t.match(rows, [{ name: 'health', sides: [{ name: 'ours' }, { name: 'go' }, { name: 'fastapi' }] }])
    t.match(await runBench(['validate', out]), { code: 0 })
  },
)

t.test('a row that does not exist is named together with the existing rows', async (t) => {
  const rows = ['health', 'cached-user'].map((name) => ({
    name,
    title: name,
    about: '',
    connections: 1,
    requests: [],
    sides: [],
  }))
  t.throws(() => selectRows([{ processes: [], rows }], ['nothing']), {
    message: 'There is no row nothing; there are health, cached-user',
  })
})
