export interface RetryBudget {
  /** Counts a first attempt. */
  earn(): void
  /** Whether a retry may be sent; when it may, it has been paid for. */
  spend(): boolean
}

/**
 * Retries as a share of the calls (as in Finagle and gRPC): one failing call is repeated at once, but when every call
 * fails, an upstream in trouble gets a tenth more load instead of twice as much.
 *
 * @param ratio retries earned by a call
 * @param reserve the most that is saved up, and what there is at the start, so that a quiet service may retry too
 */
export function createRetryBudget({ ratio = 0.1, reserve = 10 } = {}): RetryBudget {
  let saved = reserve
  return {
    earn() {
      saved = Math.min(reserve, saved + ratio)
    },
    spend() {
      if (saved < 1) return false
      saved -= 1
      return true
    },
  }
}
