import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'

const FILE = new URL('./planted-load.ts', import.meta.url).href

/** A fixed amount of work in short turns of the event loop; prints the microseconds of CPU time that it took. */
const WORK = `
  const { createHash } = require('node:crypto')
  const before = process.cpuUsage()
  let turns = 0
  const turn = () => {
    for (let n = 0; n < 100; n++) createHash('sha256').update('a'.repeat(1000)).digest()
    if (++turns < 1000) return setImmediate(turn)
    const { user, system } = process.cpuUsage(before)
    process.stdout.write(String(user + system))
  }
  turn()
`

async function cpuMicros(share: number): Promise<number> {
  const env = { ...process.env, PLANTED_SHARE: String(share) }
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', FILE, '-e', WORK], { env })
  return Number(stdout)
}

t.test('the planted share is added to the CPU time of the process', async (t) => {
  const ratio = (await cpuMicros(1)) / (await cpuMicros(0))
  // Twice the time; the bounds are wide because other processes change the speed of a core.
  t.ok(ratio > 1.5 && ratio < 2.7, `${ratio}`)
})
