import t from 'tap'
import { measureDuet } from './measure.ts'
import type { Side } from './slice.ts'

const DURATIONS = { warmUpMs: 0, warmUpLimitMs: 0, measureMs: 100, limitMs: 1000, pacedMs: 20, pacedTurns: 2 }
const half = { boot: 0, fixedRate: (slowest: number) => slowest / 2 }

/** A side of this rate that writes each slice into `calls`. Its time passes without waiting. */
function side(name: string, rate: (call: number) => number, calls: string[], more: Partial<Side> = {}): Side {
  let count = 0
  const slice = (answered: number, seconds: number) => ({
    answered,
    errors: 0,
    seconds,
    bytes: 0,
    cpuMs: answered / 100,
    generatorShare: 0.5,
  })
  return {
    connections: 1,
    warmUpRequests: 0,
    async load(durationMs) {
      calls.push(name)
      return slice((rate(count++) * durationMs) / 1000, durationMs / 1000)
    },
    async paced(perSecond, durationMs) {
      calls.push(`${name} paced`)
      return slice((perSecond * durationMs) / 1000, durationMs / 1000)
    },
    ...more,
  }
}

t.test('slices alternate in balanced order, and their duration follows the rate', async (t) => {
  const calls: string[] = []
  const quick = side('A', () => 10_000, calls)
  const slow = side('B', () => 50, calls)
  const { sides, pacedPerSecond } = await measureDuet([quick, slow], DURATIONS, half)
  t.match(
    calls.join(''),
    /^ABBAABBAABBAABBA(A|B)*A pacedB paced(A pacedB pacedB pacedA paced)$/,
    'the first two do not count',
  )
  t.equal(Math.round(pacedPerSecond), 25)
  t.same(
    sides.map(({ paced }) => paced.length),
    [2, 2],
  )
  const [a, b] = sides.map(({ slices }) => slices.map(({ seconds }) => seconds))
  t.equal(a?.length, b?.length)
  t.equal(Math.min(...(a ?? [])), 0.05, 'a slice of a quick side is half of that of the slowest')
  t.equal(Math.max(...(b ?? [])), 0.1, 'a slice of a slow side has five replies')
})

t.test('the warm-up lasts until every request was sent, and does not count', async (t) => {
  const filling = side('A', () => 1000, [], { warmUpRequests: 195 })
  const slow = side('B', () => 100, [], { warmUpRequests: 195 })
  const { sides } = await measureDuet(
    [filling, slow, side('C', () => 1000, [])],
    { ...DURATIONS, warmUpMs: 100, warmUpLimitMs: 300 },
    half,
  )
  t.same(
    sides.map(({ warmUpSlices }) => warmUpSlices),
    [5, 5, 1],
    '100 ms, then 25 ms each; 100 ms and 50 ms each until three times the time; 100 ms',
  )
  t.ok(sides.every(({ steady }) => steady))
})

t.test('turns from before the ratio was steady are dropped', async (t) => {
  const improving = side('A', (call) => (call < 8 ? 500 : 1000), [])
  const { sides } = await measureDuet(
    [improving, side('B', () => 1000, [])],
    { ...DURATIONS, measureMs: 500 },
    half,
  )
  t.match(sides, [{ steady: true }, { steady: true }])
  t.ok((sides[0]?.warmUpSlices ?? 0) > 0)
  t.equal(sides[0]?.slices.at(0)?.answered, sides[0]?.slices.at(-1)?.answered)
})

t.test('a side that changes until the limit is marked', async (t) => {
  const faster = side('faster', (call) => 1000 * 1.1 ** call, [])
  const limits = { ...DURATIONS, limitMs: 0 }
  const sides = [side('A', () => 1000, []), faster, side('B', () => 1000, [])]
  const { sides: measured } = await measureDuet(sides, limits, half)
  t.match(measured, [{ steady: true }, { steady: false }, { steady: true }])
})

t.test('a side without a fixed rate has no such slices, and its slices keep their duration', async (t) => {
  const calls: string[] = []
  const tool = side('tool', () => 1000, calls, { paced: undefined, sliceMs: 40 })
  const { sides } = await measureDuet([tool, side('B', () => 1000, calls)], DURATIONS, half)
  t.same(
    sides.map(({ paced }) => paced.length),
    [0, 2],
  )
  t.same(new Set(sides[0]?.slices.map(({ seconds }) => seconds)), new Set([0.04]))
})

t.test('the order of the sides goes on from boot to boot', async (t) => {
  const firsts = []
  for (let boot = 0; boot < 4; boot++) {
    const calls: string[] = []
    const sides = [side('A', () => 1000, calls), side('B', () => 1000, calls)]
    await measureDuet(sides, { ...DURATIONS, pacedTurns: 1 }, { ...half, boot })
    firsts.push(calls.find((call) => call.endsWith('paced'))?.[0])
  }
  t.same(firsts, ['A', 'B', 'A', 'B'])
})

t.test('a low rate has longer slices, and no longer load that does not count', async (t) => {
  const durations: number[] = []
  const slow = side('A', () => 1000, [])
  const paced: Side['paced'] = async (perSecond, durationMs) => {
    durations.push(durationMs)
    return { ...(await slow.load(durationMs)), answered: (perSecond * durationMs) / 1000 }
  }
  await measureDuet([{ ...slow, leastPacedMs: 500, paced }, side('B', () => 1000, [])], DURATIONS, half)
  t.same(durations, [200, 500, 500])
})
