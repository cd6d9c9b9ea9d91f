/** Waits until the promise has settled in either way, at most for this time. */
export async function settlesWithin(promise: Promise<unknown>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  const settled = promise.then(
    () => {},
    () => {},
  )
  await Promise.race([settled, late])
  clearTimeout(timer)
}
