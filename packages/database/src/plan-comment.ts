import { randomBytes } from 'node:crypto'
import { isChangedResult } from './repeat.ts'

/**
 * A comment at the end of every statement of a pool; empty until a table changes.
 *
 * After `alter table` the server refuses plans that were prepared before. A new comment makes each text a new statement for the
 * server and for PgBouncer, which shares prepared statements by their text, so none uses an old plan again.
 */
export class PlanComment {
  #text = ''

  get current(): string {
    return this.#text
  }

  /** @param used the comment of the refused statement: of several that were refused at once, only the first renews it */
  renewAfter(error: unknown, used: string): void {
    if (this.#text === used && isChangedResult(error)) this.#text = ` /* ${randomBytes(4).toString('hex')} */`
  }
}
