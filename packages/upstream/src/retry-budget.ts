export interface RetryBudget {
  /** Counts a first attempt. */
  earn(): void
  /** Takes one retry from the budget. @returns whether the retry may be sent */
  spend(): boolean
}

/**
 * Limits retries to a share of the calls (as in Finagle and gRPC): a single failing call is repeated at once, but when every
 * call fails, an overloaded upstream gets a tenth more load instead of twice as much.
 *
 * @param ratio retries that one call earns
 * @param reserve the most retries that are saved up, and the number at the start, so that a quiet service may retry too
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
