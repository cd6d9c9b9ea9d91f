import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { createRandom } from '@reference/async/testing'
import t from 'tap'
import { PlantedLoop } from './planted-loop.ts'

interface Simulated {
  readonly share: number
  /** Of an iteration in µs, by the number of the request. */
  readonly iterationMicros: (request: number) => number
}

const REQUESTS = 400_000
const REQUEST_MICROS = 25

/** Requests on a clock of its own, whose cost differs from window to window. Returns the added share over the later half. */
function addedShare({ share, iterationMicros }: Simulated): number {
  const random = createRandom(1)
  let [now, request, plain, burnt] = [0, 0, 0, 0]
  let speed = 1
  const loop = new PlantedLoop({
    share,
    busyMicros: () => now,
    burn: (iterations) => {
      const micros = iterations * iterationMicros(request) * speed
      now += micros
      if (request >= REQUESTS / 2) burnt += micros
    },
  })
  for (; request < REQUESTS; request++) {
    // About two windows: what a shared core does.
    if (request % 400 === 0) speed = 0.8 + 0.4 * random()
    const micros = REQUEST_MICROS * speed
    now += micros
    if (request >= REQUESTS / 2) plain += micros
    loop.onRequest()
  }
  return burnt / plain
}

t.test('the planted share is added to the cost of the requests', async (t) => {
  for (const share of [0.03, 0.05, 0.1, 0.5, 1]) {
    const added = addedShare({ share, iterationMicros: () => 0.005 })
    t.ok(added > 0.75 * share && added < 1.25 * share, `${share}: ${added.toFixed(4)}`)
  }
})

t.test('the loop is as long as its iterations are quick', async (t) => {
  for (const micros of [0.001, 0.015]) {
    const added = addedShare({ share: 0.1, iterationMicros: () => micros })
    t.ok(added > 0.075 && added < 0.125, `${micros}: ${added.toFixed(4)}`)
  }
})

t.test('the loop follows an iteration that becomes five times as quick', async (t) => {
  const added = addedShare({
    share: 0.1,
    iterationMicros: (request) => (request < REQUESTS / 4 ? 0.015 : 0.003),
  })
  t.ok(added > 0.075 && added < 0.125, added.toFixed(4))
})

t.test('the load listens to the requests of a process only with a share', async (t) => {
  const file = new URL('./planted-load.ts', import.meta.url).href
  const program = `process.stdout.write(String(require('node:diagnostics_channel').hasSubscribers('http.server.request.start')))`
  for (const [share, listens] of [
    ['0.05', 'true'],
    ['0', 'false'],
  ] as const) {
    const env = { ...process.env, PLANTED_SHARE: share }
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', file, '-e', program], { env })
    t.equal(stdout, listens, share)
  }
})
