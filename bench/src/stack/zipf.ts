/**
 * A sampler of the ranks of a Zipf distribution: rank r, from 0, has the weight 1 / (r + 1) ** exponent. Requests to real
 * services are skewed like this: a few rows get most of them.
 *
 * @returns a function from a uniform random number in [0, 1) to a rank below `ranks`
 */
export function zipf(ranks: number, exponent: number): (random: number) => number {
  const sums: number[] = []
  let sum = 0
  for (let rank = 1; rank <= ranks; rank++) {
    sum += rank ** -exponent
    sums.push(sum)
  }
  return (random) => {
    let [low, high] = [0, ranks - 1]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((sums[middle] ?? 0) < random * sum) low = middle + 1
      else high = middle
    }
    return low
  }
}
