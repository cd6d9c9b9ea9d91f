import type { Logger } from './options.ts'

const RETRY_AFTER_MS = 500

/**
 * Runs a check at once, then every `everyMs` or so, and after a failure soon again.
 *
 * @returns `soon` for when there is a reason to look before that, and `close`, which waits for the check that runs
 */
export function createChecks(
  check: () => Promise<void>,
  { everyMs, logger }: { everyMs: number; logger: Logger | undefined },
) {
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined
  let failed = false
  let closed = false
  run()

  return {
    soon() {
      if (running !== undefined || failed || closed) return
      clearTimeout(timer)
      timer = setTimeout(run, 0)
    },
    async close() {
      closed = true
      clearTimeout(timer)
      await running
    },
  }

  function run() {
    running = check()
      .then(
        () => {
          failed = false
        },
        (error: unknown) => {
          if (!failed && !closed)
            logger?.warn({ err: error }, 'cache: the database cannot be asked about the cache')
          failed = true
        },
      )
      .finally(() => {
        running = undefined
        // Apart from each other, so that many processes do not ask at the same moment.
        const afterMs = failed ? RETRY_AFTER_MS : everyMs * (0.8 + 0.4 * Math.random())
        if (!closed) timer = setTimeout(run, afterMs)
      })
  }
}
