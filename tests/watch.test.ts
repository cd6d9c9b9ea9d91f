import { spawn } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { until } from '@reference/async'
import t from 'tap'
import { root } from './tap.ts'
import { filesFor } from './watch.ts'

const ALL = [
  'packages/http/src/health.test.ts',
  'packages/http/src/server.test.ts',
  'services/reference-api/src/service.test.ts',
  'tests/report.test.ts',
]

t.test('the files to run are the named ones, or those of the packages that changed', async (t) => {
  const all = () => ALL
  const health = 'packages/http/src/health.test.ts'
  t.same(filesFor(['packages/http/src/health.ts'], { named: [], all }), ALL.slice(0, 2))
  t.same(filesFor(['tests/tap.ts', 'services/reference-api/src/app.ts'], { named: [], all }), ALL.slice(2))
  t.same(filesFor([health], { named: [], all }), [health], 'a changed test file alone')
  t.same(filesFor(['packages/async/src/until.ts'], { named: [health], all }), [health])
  t.same(filesFor(['docs/x.ts'], { named: [], all }), [])
  t.same(filesFor(['packages/http/src/health.ts'], { named: ['gone.test.ts'], all }), [], 'a deleted file')
})

t.test('tests run again after a change and at their end the command waits, until Ctrl-C', async (t) => {
  // Beside the other tests: tap and the watch both start at the root of the repository.
  const file = join('tests', 'testing', `watched-${process.pid}.test.ts`)
  const write = (title: string, value: number) =>
    writeFileSync(
      join(root, file),
      `import t from 'tap'\nt.test('${title}', async (t) => { t.equal(${value}, 1) })\n`,
    )
  t.teardown(() => rmSync(join(root, file), { force: true }))
  write('first', 1)
  // Without tap's variables, or the outer tap would treat the inner one as its child.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([key]) => !/^(_?TAP|NODE_OPTIONS)/.test(key)),
  )
  const child = spawn(process.execPath, ['tests/testing/run-watch.ts', file], { cwd: root, env })
  t.teardown(() => child.kill('SIGKILL'))
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  const runs = () => output.split('waiting for a change').length - 1
  await until('the first run has ended', () => runs() === 1, { timeoutMs: 60_000 })
  t.match(output, /1 passed, 0 failed/)
  write('second', 2)
  await until('the second run has ended', () => runs() === 2, { timeoutMs: 60_000 })
  t.match(output, /changed: .*watched-\d+\.test\.ts[\s\S]*0 passed, 1 failed/)
  const ended = new Promise((resolve) => child.once('close', resolve))
  child.kill('SIGINT')
  t.equal(await ended, 0)
})
