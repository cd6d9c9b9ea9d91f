/**
 * For `node --import`: the process uses more CPU time, by the share `PLANTED_SHARE`: a slow-down of a known size, which the benchmark
 * has to find.
 *
 * A timer burns it, not each request: a hook on every request, with two readings of the clock, cost a fast path 21 to 23 % where 5 % were
 * planted. With the timer slow paths show 2 to 4 %, but fast ones still 13 to 20 % (five boots); why is not known, so a
 * planted share is a lower limit of the effect.
 */

/** Short beside a slice of the load, and long beside a reading of the CPU time. */
const EVERY_MS = 4
const SHARE = Number(process.env.PLANTED_SHARE ?? 0)

let last = process.cpuUsage()

function burn(): void {
  const { user, system } = process.cpuUsage(last)
  const until = performance.now() + ((user + system) / 1000) * SHARE
  while (performance.now() < until);
  // What was burnt is not work of the process.
  last = process.cpuUsage()
}

setInterval(burn, EVERY_MS).unref()
