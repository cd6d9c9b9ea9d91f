import { subscribe } from 'node:diagnostics_channel'

/**
 * For `node --import`: each HTTP request costs more CPU time, by the share `PLANTED_SHARE` of what requests cost without it: a slow-down of
 * a known size, which the benchmark has to find.
 *
 * A loop burns it, in the requests of every second window. Two neighbouring windows, with and without the loop, show what an
 * iteration costs in units of a request, in the service's own surroundings and at the core's own speed. The length of the loop follows from
 * that. A calibration elsewhere was wrong by a factor of up to five: the same loop costs 1, 5 or 15 ns an iteration, depending on
 * how V8 has compiled it, and the first wide vector instructions after a pause are as much slower.
 */

const SHARE = Number(process.env.PLANTED_SHARE ?? 0)
/** Busy time of a window without the loop, in µs: long beside a reading of the clock, short beside a change of the core's speed. */
const WINDOW_MICROS = 5000
/** Weight of the pairs of windows before the newest one. */
const MEMORY = 0.99
/** Too short to be seen: the loop grows from here, since one that is too long would take long to be found out. */
const FIRST_ITERATIONS = 10
const LARGEST_STEP = 1.5

let state = 1
let loops = false
/** Of the loop in a request of a window that has it. */
let iterations = FIRST_ITERATIONS
let requests = 0
let windowRequests = 50
let last = busyMicros()
/** Busy time of a request in the window before, without the loop. */
let plainMicros = 0
/** Of the regression through the origin of the added cost on the iterations. */
let iterationsByAdded = 0
let iterationsSquared = 0

function spin(): void {
  let x = state
  for (let i = 0; i < iterations; i++) x = (Math.imul(x, 1_664_525) + 1_013_904_223) | 0
  state = x
}

function onRequest(): void {
  if (loops) spin()
  if (++requests < windowRequests) return
  const now = busyMicros()
  const micros = (now - last) / requests
  if (loops) learn(micros / plainMicros - 1)
  else {
    plainMicros = micros
    windowRequests = Math.max(1, Math.round(WINDOW_MICROS / micros))
  }
  loops = !loops
  requests = 0
  last = now
}

/** @param added busy time of a request with the loop beyond one without it, as a share of the latter */
function learn(added: number): void {
  const target = 2 * SHARE
  // What is further away is a change of the core's speed.
  const bounded = Math.min(Math.max(added, target - 1), target + 1)
  iterationsByAdded = MEMORY * iterationsByAdded + iterations * bounded
  iterationsSquared = MEMORY * iterationsSquared + iterations ** 2
  const cost = iterationsByAdded / iterationsSquared
  // Half of the requests have the loop, which is twice as long for that.
  const wanted = cost > 0 ? target / cost : Infinity
  iterations = Math.ceil(Math.min(Math.max(wanted, iterations / LARGEST_STEP), iterations * LARGEST_STEP))
}

/** Time for which the event loop was not idle. `process.cpuUsage` takes 0.8 ms for one call of a hundred, and `threadCpuUsage` counts in ticks of 4 ms. */
function busyMicros(): number {
  return performance.eventLoopUtilization().active * 1000
}

if (SHARE > 0) subscribe('http.server.request.start', onRequest)
