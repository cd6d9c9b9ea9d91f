/** How long a reply, or the end of a connection, may take. Only a hang takes this long: the longest budget of a call is 50 s (`/report`). */
const FIRST_MS = 75_000

/** While a fault is shrunk, each hang would cost the whole time again. */
const SHRINKING_MS = 5000

/**
 * Limit of a round of batches, most of it for shrinking: what has been shrunk until then is reported.
 */
export const ROUND_LIMIT_MS = 150_000

/** How long the clients of a campaign wait. */
export class Patience {
  ms = FIRST_MS

  /** From now on the campaign shrinks a fault. */
  shorten(): void {
    this.ms = SHRINKING_MS
  }
}
