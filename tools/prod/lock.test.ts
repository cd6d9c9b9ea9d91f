import { spawnSync } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { locked } from './lock.ts'

t.test('what is locked is refused to others, and free again afterwards', async (t) => {
  const folder = t.testdir()
  const result = await locked(folder, ['replicas'], 'deploy', async () => {
    const second = locked(folder, ['postgres', 'replicas'], 'down', async () => 'never')
    await t.rejects(second, {
      message: `pnpm prod deploy runs already (process ${process.pid}); try again when it has ended`,
      exitCode: 1,
    })
    return locked(folder, ['postgres'], 'failover', async () => 'both')
  })
  t.equal(result, 'both')
  t.same(readdirSync(folder), [])
})

t.test('work that fails gives its lock back', async (t) => {
  const folder = t.testdir()
  const failing = locked(folder, ['replicas'], 'deploy', async () => {
    throw new Error('it failed')
  })
  await t.rejects(failing, { message: 'it failed' })
  t.same(readdirSync(folder), [])
})

t.test('the lock of a process that has ended, or was never written, is taken', async (t) => {
  const { pid } = spawnSync(process.execPath, ['--version'])
  for (const content of [`${pid} deploy\n`, '']) {
    const folder = t.testdir()
    writeFileSync(join(folder, 'replicas.lock'), content)
    t.equal(await locked(folder, ['replicas'], 'scale', async () => 'taken'), 'taken')
    t.same(readdirSync(folder), [])
  }
})
