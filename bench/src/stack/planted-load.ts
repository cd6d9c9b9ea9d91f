import { subscribe } from 'node:diagnostics_channel'
import { PlantedLoop } from './planted-loop.ts'

/**
 * For `node --import`: each HTTP request costs more CPU time, by the share `PLANTED_SHARE` of what requests cost without it: a slow-down of
 * a known size, which the benchmark has to find.
 */

const share = Number(process.env.PLANTED_SHARE ?? 0)
let state = 1

function burn(iterations: number): void {
  let x = state
  for (let i = 0; i < iterations; i++) x = (Math.imul(x, 1_664_525) + 1_013_904_223) | 0
  state = x
}

/** Time for which the event loop was not idle. `process.cpuUsage` takes 0.8 ms for one call of a hundred, and `threadCpuUsage` counts in ticks of 4 ms. */
function busyMicros(): number {
  return performance.eventLoopUtilization().active * 1000
}

if (share > 0) {
  const loop = new PlantedLoop({ share, busyMicros, burn })
  subscribe('http.server.request.start', () => loop.onRequest())
}
