import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import { exactCpuMsOf } from './process-stats.ts'

const SKIP = process.platform === 'linux' ? false : 'only Linux has this figure'

t.test('a process that has ended has no CPU time', { skip: SKIP }, async (t) => {
  const child = spawn(process.execPath, ['--eval', 'process.stdin.resume()'], {
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  await once(child, 'spawn')
  t.ok((exactCpuMsOf(child.pid ?? 0) ?? -1) >= 0)
  child.stdin.end()
  await once(child, 'exit')
  t.equal(exactCpuMsOf(child.pid ?? 0), undefined)
})

t.test('threads that end during the reading do not count', { skip: SKIP }, async (t) => {
  let running = 12
  for (let i = 0; i < 12; i++) {
    new Worker('', { eval: true }).on('exit', () => {
      running--
    })
  }
  while (running > 0) {
    if (exactCpuMsOf(process.pid) === undefined) t.fail('no CPU time')
    await new Promise(setImmediate)
  }
  t.equal(running, 0)
})
