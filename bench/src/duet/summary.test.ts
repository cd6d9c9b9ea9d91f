import t from 'tap'
import type { DuetBoot, SideBoot } from './measure.ts'
import type { RowPlan, SidePlan } from './plan.ts'
import { summarizeRows, summarizeStarts } from './summary.ts'

const OURS: SidePlan = { kind: 'process', name: 'ours', label: 'ours', process: 'a' }
const OTHER: SidePlan = { kind: 'process', name: 'other', label: 'Other', process: 'b' }
const ABSENT: SidePlan = { kind: 'absent', name: 'absent', label: 'Absent', reason: 'not installed' }

const plan: RowPlan = {
  name: 'row',
  title: 'Row',
  about: '',
  connections: 1,
  requests: [{ path: '/' }],
  sides: [OURS, OTHER, ABSENT],
}

/** A boot of a side with this rate, 50 µs of CPU a request at the maximum and `pacedMicros` at the fixed rate. */
function side(rate: number, pacedMicros: number, steady = true): SideBoot {
  const slice = (answered: number, micros: number) => ({
    answered,
    errors: 0,
    seconds: 1,
    bytes: 0,
    cpuMs: (answered * micros) / 1000,
    generatorShare: 0.4,
  })
  return {
    steady,
    warmUpSlices: 6,
    slices: [slice(rate, 50), slice(rate, 50)],
    paced: [slice(100, pacedMicros)],
  }
}

function summarize(...boots: readonly (readonly [SideBoot, SideBoot])[]) {
  const measured: DuetBoot[] = boots.map((sides) => ({ sides, pacedPerSecond: 100 }))
  const [row] = summarizeRows([{ plan, measured: [OURS, OTHER], boots: measured, interference: [] }])
  return row ?? { sides: [] }
}

t.test('a ratio is ours divided by the other side, over rates and over CPU time', async (t) => {
  const { sides } = summarize([side(2000, 80), side(1000, 40)], [side(2000, 80), side(1000, 40)])
  t.match(sides, [
    { name: 'ours', figures: { rate: 2000, cpuMicros: 50, fixedRateCpuMicros: 80, generatorShare: 0.4 } },
    { name: 'other', effect: { rate: { boots: 2, ratio: 2, low: 2, high: 2 }, fixedRateCpu: { ratio: 2 } } },
    { name: 'absent', notRun: 'not installed' },
  ])
  t.equal(sides[0]?.effect, undefined)
})

t.test('a boot in which either side was not steady is shown and does not count', async (t) => {
  const { sides } = summarize(
    [side(2000, 80), side(1000, 40)],
    [side(2000, 80, false), side(100, 40)],
    [side(2000, 80), side(10, 40, false)],
  )
  t.match(sides[1], {
    effect: { rate: { boots: 1, ratio: 2, high: null } },
    figures: { boots: [{ steady: true }, { steady: true }, { steady: false, rate: 10 }] },
  })
  const none = summarize([side(2000, 80, false), side(1000, 40)])
  t.equal(none.sides[1]?.effect, undefined)
})

t.test('a boot in which too many requests of either side failed does not count', async (t) => {
  const failing = (boot: SideBoot, errors: number) => ({
    ...boot,
    slices: boot.slices.map((slice) => ({ ...slice, errors })),
  })
  const { sides } = summarize(
    [side(2000, 80), side(1000, 40)],
    [side(2000, 80), failing(side(9000, 40), 9000)],
    [failing(side(9000, 80), 10), side(1000, 40)],
    [failing(side(2000, 80), 1), side(1000, 40)],
  )
  t.match(sides[0], { figures: { errors: 22 } })
  t.match(sides[1], { figures: { rate: 1000, errors: 18_000 }, effect: { rate: { boots: 2, ratio: 2 } } })
})

t.test('start times are compared turn by turn', async (t) => {
  const processes = ['ours', 'other'].map((name) => ({
    ...{ name, label: name, command: [], environment: {}, cwd: '/', readyPath: '/health' },
  }))
  const start = (startMs: number) => ({ startMs, idleBytes: startMs * 10, loadedBytes: startMs * 20 })
  const turns = [
    [start(300), start(100)],
    [start(330), start(110)],
    [start(900), start(300)],
  ]
  t.match(summarizeStarts({ processes, requests: [] }, turns), [
    { name: 'ours', startMs: 330, idleBytes: 3300, loadedBytes: 6600, effect: { ratio: 1 } },
    { name: 'other', startMs: 110, effect: { boots: 3, ratio: 3, low: 3, high: 3 } },
  ])
})
