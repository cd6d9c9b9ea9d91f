import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { startProcess } from './testing/test-process.ts'

function folder(t: { teardown(fn: () => unknown): unknown }): string {
  const made = mkdtempSync(join(tmpdir(), 'diagnostics-'))
  t.teardown(() => rmSync(made, { recursive: true, force: true }))
  return made
}

const ask = (url: string) => fetch(url).catch(() => undefined)

for (const path of ['/crash', '/reject']) {
  t.test(`${path} leaves a report without the environment`, async (t) => {
    const dir = folder(t)
    const { url, exit, log } = await startProcess(t, { DIAGNOSTICS_DIR: dir, SOME_PASSWORD: 'hidden' })
    await ask(url + path)
    t.equal(await exit, 1)
    const [file = '', ...others] = readdirSync(dir)
    t.same(others, [])
    const text = readFileSync(join(dir, file), 'utf8')
    const report = JSON.parse(text)
    t.match(report.javascriptStack.message, /of the fixture/)
    t.notMatch(text, /hidden/)
    const lines = log()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    const fatal = lines.filter(({ err }) => err !== undefined)
    t.equal(fatal.length, 1, 'one line has the stack')
    t.match(fatal[0], { level: 'fatal', err: { stack: /of the fixture\n +at / } })
  })
}

t.test(
  'a process that runs out of heap leaves a snapshot and a report, and its exit code says so',
  async (t) => {
    const dir = folder(t)
    const { url, exit, child } = await startProcess(
      t,
      { DIAGNOSTICS_DIR: dir, NODE_OPTIONS: '--max-old-space-size=48' },
      { stderr: 'ignore' },
    )
    await ask(`${url}/fill-the-heap`)
    await exit
    t.equal(child.signalCode, 'SIGABRT')
    const files = readdirSync(dir)
    t.equal(files.filter((file) => file.endsWith('.heapsnapshot')).length, 1)
    const [report = ''] = files.filter((file) => file.startsWith('report.'))
    t.match(JSON.parse(readFileSync(join(dir, report), 'utf8')).header.event, /heap|memory/i)
  },
)

t.test('a folder that cannot be written is logged, and the service runs', async (t) => {
  const { url, log } = await startProcess(t, { DIAGNOSTICS_DIR: '/nonexistent' })
  t.equal((await ask(`${url}/health`))?.status, 200)
  t.match(log(), /DIAGNOSTICS_DIR cannot be written/)
})
