/** Ids from–to, both included. */
export interface IdRange {
  readonly from: number
  readonly to: number
}

/** Hands out a range of ids in chunks to lanes that work in parallel. */
export interface Chunks {
  /** The next chunk; undefined when all have been handed out. */
  next(): IdRange | undefined
  /** Reports about how many orders a chunk contained. */
  contained(chunk: IdRange, orders: number): void
}

/** A chunk may grow to this multiple of its first size where few ids exist. */
const MAX_GROWTH = 64

/**
 * Chunks of `size` ids. Where few of the ids are orders, the next chunks are wider, so that a gap of a billion ids does not
 * take a hundred thousand statements. The first well-filled chunk resets the width, which bounds how many orders one contains.
 */
export function createChunks({ from, to }: IdRange, size: number): Chunks {
  let start = from
  let width = size
  return {
    next() {
      if (start > to) return undefined
      const chunk = { from: start, to: Math.min(to, start + width - 1) }
      start = chunk.to + 1
      return chunk
    },
    contained(chunk, orders) {
      const filled = orders / (chunk.to - chunk.from + 1)
      width = filled > 0.25 ? size : Math.min(width * 2, size * MAX_GROWTH)
    },
  }
}
