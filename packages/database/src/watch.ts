/**
 * Finds connections whose server has stopped answering: it hangs, its host is gone, or a proxy before it swallows
 * everything. The server's own limits cannot fire then, and TCP takes minutes to notice, if it does at all.
 *
 * One timer a pool counts the ticks in which a connection that owes answers gave none. A statement costs two additions and
 * reads no clock, and a process that stood still itself (a long task, a suspended machine) counts one tick and not the
 * time that went by. Counted is silence and not a statement's time: eight that stand behind each other may take
 * long altogether, each within the server's limit.
 */
export type Watchdog = {
  /** `onSilent` is called once, when answers are due for longer than the limit. */
  watch(onSilent: () => void): Watch
  close(): void
}

export type Watch = {
  /** Something is on its way that will be answered. */
  sent(): void
  answered(): void
  /** Another limit than the usual one, as for a transaction that is allowed more; without a number the usual one. */
  allow(ms?: number): void
  /** No more than this until something is answered, as for what has been cancelled. */
  hurry(ms: number): void
  end(): void
}

const longestTickMs = 1000

export function createWatchdog(limitMs: number): Watchdog {
  const tickMs = Math.max(1, Math.min(longestTickMs, limitMs / 10))
  const ticksOf = (ms: number) => Math.ceil(ms / tickMs)
  const watched = new Set<{ tick(): void }>()
  let timer: NodeJS.Timeout | undefined

  return {
    watch(onSilent) {
      // Does not keep the process: the sockets do, as long as there is something to watch.
      timer ??= setInterval(() => {
        for (const each of watched) each.tick()
      }, tickMs).unref()
      let due = 0
      let silentTicks = 0
      let usual = ticksOf(limitMs)
      let limit = usual
      const one = {
        tick() {
          if (due === 0 || ++silentTicks <= limit) return
          watched.delete(one)
          onSilent()
        },
      }
      watched.add(one)
      return {
        sent() {
          if (due++ === 0) silentTicks = 0
        },
        answered() {
          due--
          silentTicks = 0
          limit = usual
        },
        allow(ms = limitMs) {
          usual = ticksOf(ms)
          limit = usual
        },
        hurry(ms) {
          limit = Math.min(limit, silentTicks + ticksOf(ms))
        },
        end() {
          watched.delete(one)
        },
      }
    },
    close() {
      clearInterval(timer)
      timer = undefined
    },
  }
}
