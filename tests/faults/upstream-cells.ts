import { KINDS } from '@reference/tools/recorded-faults'
import type { Cell, Expected } from './cell.ts'
import { answers, path, withoutName, wrongBytes } from './network.ts'
import { HOSTS } from './stack.ts'

const others = KINDS.filter((kind) => kind !== 'aggregate')
const failing: Expected = { unaffected: others, fails: 'aggregate', replyMs: 12_000 }

const cell = (fault: string, holdMs: number, cause: Cell['cause'], expected = failing): Cell => ({
  system: 'upstream',
  fault,
  holdMs,
  cause,
  expected,
})

export const upstreamCells: readonly Cell[] = [
  cell('latency of 200 ms', 3_000, path('upstream', { kind: 'latency', ms: 200 }), { unaffected: KINDS }),
  cell('black hole', 6_000, path('upstream', { kind: 'black hole' })),
  cell('half-open', 6_000, path('upstream', { kind: 'half-open' }), { unaffected: others, replyMs: 12_000 }),
  cell('reset', 3_000, path('upstream', { kind: 'reset' })),
  cell('refused', 3_000, path('upstream', { kind: 'refused' })),
  cell('one byte a second', 6_000, path('upstream', { kind: 'trickle', bytesPerSecond: 1 })),
  cell('cut in mid-reply', 3_000, path('upstream', { kind: 'cut', afterBytes: 60 })),
  cell('every 5th byte is wrong', 3_000, path('upstream', wrongBytes(5))),
  cell('another protocol', 3_000, answers('upstream', Buffer.from('-ERR unknown command\r\n'))),
  cell('the name is gone', 3_000, withoutName('upstream', 'api.fault.test', HOSTS)),
]
