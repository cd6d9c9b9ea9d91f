import t from 'tap'
import { measureRow, type Side } from './measure-row.ts'

const DURATIONS = { sliceMs: 10, turns: 6, warmUpLimitMs: 1000, pacedMs: 20, pacedTurns: 2 }

/** A side of this rate that writes each call into `calls`. */
function side(name: string, rate: (call: number) => number, calls: string[], canPace = true): Side {
  let count = 0
  const slice = (answered: number, seconds: number) => ({
    answered,
    errors: 0,
    seconds,
    cpuMs: answered / 100,
    generatorShare: 0.5,
  })
  return {
    name,
    warmUpRequests: 0,
    async load(durationMs) {
      calls.push(name)
      return slice((rate(count++) * durationMs) / 1000, durationMs / 1000)
    },
    paced: canPace
      ? async (perSecond, durationMs) => {
          calls.push(`${name} paced`)
          return slice((perSecond * durationMs) / 1000, durationMs / 1000)
        }
      : undefined,
  }
}

t.test('after the warm-up of each side, slices alternate in balanced order', async (t) => {
  const calls: string[] = []
  const sides = [side('A', () => 1000, calls), side('B', () => 2000, calls), side('C', () => 500, calls)]
  const { sides: measured } = await measureRow(sides, DURATIONS)
  t.same(calls.slice(0, 18).join(''), 'AAAAAABBBBBBCCCCCC', 'six slices show that a side is steady')
  t.same(calls.slice(18, 36).join(''), 'ACBBCABACCABCBAABC')
  t.same(
    measured.map(({ slices, paced, steady }) => [slices.length, paced.length, steady]),
    Array.from({ length: 3 }, () => [6, 2, true]),
  )
})

t.test('the warm-up lasts until every request was sent', async (t) => {
  const calls: string[] = []
  const filling = { ...side('A', () => 1000, calls), warmUpRequests: 95 }
  const { sides } = await measureRow([filling, side('B', () => 1000, calls)], DURATIONS)
  t.match(sides, [{ warmUpSlices: 10, steady: true }, { warmUpSlices: 6 }])
})

t.test('a side that never becomes steady is measured and marked', async (t) => {
  const calls: string[] = []
  const faster = side('faster', (call) => 1000 * 1.1 ** call, calls)
  const limits = { ...DURATIONS, warmUpLimitMs: 5 }
  const { sides } = await measureRow([faster, side('B', () => 1000, calls)], limits)
  t.equal(sides[0]?.steady, false)
  t.equal(sides[0]?.slices.length, 6)
})

t.test('the fixed rate is half of the slowest side at most, and the same in later boots', async (t) => {
  const rateOf = async (perSecond: number, given?: number) =>
    (await measureRow([side('A', () => 9000, []), side('B', () => perSecond, [])], DURATIONS, given))
      .pacedPerSecond
  t.equal(await rateOf(9000), 1000)
  t.equal(await rateOf(600), 300)
  t.equal(await rateOf(600, 250), 250)
})

t.test('a tool has no fixed rate, the other sides have', async (t) => {
  const calls: string[] = []
  const sides = [side('tool', () => 1000, calls, false), side('B', () => 1000, calls)]
  const { sides: measured } = await measureRow(sides, DURATIONS)
  t.same(
    measured.map(({ paced }) => paced.length),
    [0, 2],
  )
  t.equal(calls[0], 'tool')
  t.equal(calls[1], 'B', 'a tool starts afresh with each slice: one slice warms the database')
})
