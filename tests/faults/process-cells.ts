import { KINDS } from '@reference/tools/recorded-faults'
import type { Orders } from './agent.ts'
import type { Cell, Expected } from './cell.ts'
import type { StartOptions } from './program.ts'
import { type FaultStack, HOSTS } from './stack.ts'

const cell = (fault: string, holdMs: number, cause: Cell['cause'], expected: Expected): Cell => ({
  system: 'process',
  fault,
  holdMs,
  cause,
  expected,
})

const PAUSE_MS = Number(process.env.FAULT_PAUSE_MS ?? 30_000)
const HOUR_MS = 3_600_000

/** The API dies of this, and is started again. */
function death(act: NonNullable<Orders['act']>, start: StartOptions = {}) {
  return async ({ api }: FaultStack) => {
    if (start.node !== undefined) {
      await api.kill()
      await api.start(start)
    }
    api.order({ hosts: HOSTS, act }, true)
    await api.ended()
    return () => {
      api.order({ hosts: HOSTS })
      return api.start()
    }
  }
}

/** The API runs with these options while the fault lasts. */
function restarted(options: StartOptions) {
  return async ({ api }: FaultStack) => {
    await api.kill()
    await api.start(options)
    return async () => {
      await api.kill()
      await api.start()
    }
  }
}

function clock(ms: number) {
  return async ({ api, parallel, worker }: FaultStack) => {
    for (const each of [api, parallel, worker]) each.order({ hosts: HOSTS, clockMs: ms }, true)
    return () => {
      for (const each of [api, parallel, worker]) each.order({ hosts: HOSTS }, true)
    }
  }
}

export const processCells: readonly Cell[] = [
  cell(
    `stands still for ${PAUSE_MS / 1000} s (SIGSTOP)`,
    PAUSE_MS,
    async ({ api }) => {
      api.child.kill('SIGSTOP')
      return () => api.child.kill('SIGCONT')
    },
    { stops: true, replyMs: PAUSE_MS + 3_000 },
  ),
  cell('the clock jumps ahead by an hour', 3_000, clock(HOUR_MS), { unaffected: KINDS }),
  cell('the clock jumps back by an hour', 3_000, clock(-HOUR_MS), { unaffected: KINDS }),
  cell('64 descriptors', 4_000, restarted({ maxFiles: 64 }), { stops: true }),
  cell(
    'standard output is not read',
    4_000,
    async (stack) => {
      const mend = await restarted({ environment: { REQUEST_LOG: 'on', LOG_LEVEL: 'trace' } })(stack)
      stack.api.child.stdout?.pause()
      return async () => {
        stack.api.child.stdout?.resume()
        await mend()
      }
    },
    { stops: true },
  ),
  cell(
    'killed (SIGKILL)',
    1_000,
    async ({ api }) => {
      await api.kill()
      return () => api.start()
    },
    { stops: true, exit: 'SIGKILL' },
  ),
  {
    ...cell('an exception', 1_000, death('throw'), {
      stops: true,
      exit: 1,
      logs: /"level":"fatal".*an exception of the fault matrix/,
    }),
    isShort: true,
  },
  cell('an unhandled rejection', 1_000, death('reject'), {
    stops: true,
    exit: 1,
    logs: /"level":"fatal".*a rejection of the fault matrix/,
  }),
  cell('the heap is full', 1_000, death('fill the heap', { node: ['--max-old-space-size=96'] }), {
    stops: true,
    exit: 'SIGABRT',
    logs: /heap/i,
    replyMs: 25_000,
  }),
]
