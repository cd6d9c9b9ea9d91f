/**
 * Stops the clock of `Date` until the test ends, so that no window of time begins in the middle of it. Timers and
 * `performance.now()` go on.
 */
export function stopClock(t: { teardown(fn: () => unknown): unknown }): void {
  const { now } = Date
  const stoppedAt = now()
  Date.now = () => stoppedAt
  t.teardown(() => {
    Date.now = now
  })
}
