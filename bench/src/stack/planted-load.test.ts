import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'

const FILE = new URL('./planted-load.ts', import.meta.url).href

/** A service that sends requests to itself; prints the microseconds for which it was busy with the later half of them. */
const WORK = `
  const { createHash } = require('node:crypto')
  const http = require('node:http')
  const busy = () => performance.eventLoopUtilization().active * 1000
  const server = http.createServer((_, response) => {
    for (let n = 0; n < 50; n++) createHash('sha256').update('a'.repeat(1000)).digest()
    response.end('x')
  })
  server.listen(0, '127.0.0.1', async () => {
    const agent = new http.Agent({ keepAlive: true })
    const send = () => new Promise((resolve, reject) => {
      const options = { port: server.address().port, host: '127.0.0.1', agent }
      http.get(options, (response) => response.resume().once('end', resolve)).once('error', reject)
    })
    for (let n = 0; n < 2000; n++) await send()
    const before = busy()
    for (let n = 0; n < 2000; n++) await send()
    process.stdout.write(String(busy() - before))
    process.exit()
  })
`

async function busyMicros(share: number): Promise<number> {
  const env = { ...process.env, PLANTED_SHARE: String(share) }
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', FILE, '-e', WORK], { env })
  return Number(stdout)
}

t.test('the planted share is added to the time of each request', async (t) => {
  const ratio = (await busyMicros(1)) / (await busyMicros(0))
  // Twice the time; the bounds are wide because other processes change the speed of a core.
  t.ok(ratio > 1.3 && ratio < 3.5, `${ratio}`)
})
