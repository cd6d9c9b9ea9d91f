/** Ids from–to, both included. */
export interface IdRange {
  readonly from: number
  readonly to: number
}

/** Hands out a range of ids piece by piece to lanes that work side by side. */
export interface Parts {
  /** The next piece; undefined when all are handed out. */
  next(): IdRange | undefined
  /** Tells about how many orders a piece held. */
  held(part: IdRange, orders: number): void
}

/** A piece may grow to this many times its first size over a stretch of ids that are mostly not there. */
const MAX_GROWTH = 64

/**
 * Pieces of `size` ids; where few of them are orders, the next ones are wider, so that a hole of a billion ids is not
 * a hundred thousand statements. The first well filled piece sets the width back, which bounds what one holds.
 */
export function createParts({ from, to }: IdRange, size: number): Parts {
  let start = from
  let width = size
  return {
    next() {
      if (start > to) return undefined
      const part = { from: start, to: Math.min(to, start + width - 1) }
      start = part.to + 1
      return part
    },
    held(part, orders) {
      const filled = orders / (part.to - part.from + 1)
      width = filled > 0.25 ? size : Math.min(width * 2, size * MAX_GROWTH)
    },
  }
}
