/**
 * The orders in which the sides of a comparison are loaded, one order a turn: A B C, C B A, B C A, A C B, …
 *
 * A turn is followed by its reverse, so that a machine whose speed changes steadily favours no side. Over a full cycle each
 * side has each place equally often, and directly follows each other side equally often, so that no side profits from what
 * its predecessor leaves behind in caches and databases.
 *
 * Source: E. J. Williams, "Experimental Designs Balanced for the Estimation of Residual Effects of Treatments", Australian
 * Journal of Scientific Research A 2 (1949).
 *
 * @param sides number of sides, at least 1
 */
export function balancedOrders(sides: number): number[][] {
  const first = Array.from({ length: sides }, (_, i) => (i % 2 === 0 ? i / 2 : sides - (i + 1) / 2))
  const rows = Array.from({ length: sides }, (_, shift) => first.map((side) => (side + shift) % sides))
  // With an even number of sides the reverse of each row is another row.
  const needed = sides % 2 === 0 ? rows.slice(0, sides / 2) : rows
  return needed.flatMap((row) => [row, row.toReversed()])
}

/** The order of one turn. */
export function orderOf(sides: number, turn: number): number[] {
  const orders = balancedOrders(sides)
  return orders[turn % orders.length] ?? []
}
