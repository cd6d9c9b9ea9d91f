/** Lets `count` pieces of work run at once; what comes above that waits, first come, first served. */
export interface Permits {
  run<T>(work: () => Promise<T>): Promise<T>
}

export function createPermits(count: number): Permits {
  const waiting: (() => void)[] = []
  let free = count
  return {
    async run(work) {
      if (free > 0) free--
      else await new Promise<void>((resolve) => waiting.push(resolve))
      try {
        return await work()
      } finally {
        // Handed on, not given back: nobody overtakes who waits.
        const next = waiting.shift()
        if (next === undefined) free++
        else next()
      }
    },
  }
}
