/** Does the work for each item, for `limit` of them at the same time; waits for all work in flight before it throws the first error. */
export async function inFlight<T>(
  items: readonly T[],
  work: (item: T) => Promise<void>,
  limit: number,
): Promise<void> {
  let next = 0
  const errors: unknown[] = []
  const worker = async () => {
    while (next < items.length && errors.length === 0) {
      await work(items[next++] as T).catch((error: unknown) => errors.push(error))
    }
  }
  await Promise.all(Array.from({ length: limit }, worker))
  if (errors.length > 0) throw errors[0]
}
