import { childrenOf } from '../src/stack/process-stats.ts'
import type { Copy } from './copy.ts'
import type { FaultName } from './protocol.ts'

/** A fault that both copies suffer, until it ends. */
export interface Fault {
  /** What callers may expect, in a sentence. */
  readonly message: string
  begin(): Promise<void>
  /** Called after each second of load. */
  afterTurn(): Promise<void>
  end(): Promise<void>
}

interface Targets {
  readonly copies: readonly Copy[]
  readonly postgresPid: number
  readonly redisPids: readonly number[]
}

/** Until the victim is killed, so that requests are in flight. */
const KILL_AFTER_MS = 400

export function createFault(name: FaultName, targets: Targets): Fault {
  if (name === 'redis')
    return pauseOf(() => targets.redisPids, 'Redis accepts connections and answers nothing')
  if (name === 'postgres') {
    return pauseOf(
      // The postmaster first: it would start a process for each new connection.
      () => [targets.postgresPid, ...childrenOf(targets.postgresPid)],
      'Postgres accepts connections and answers nothing',
    )
  }
  return new KilledReplica(targets.copies)
}

/** Processes that are stopped by SIGSTOP, as by a frozen host: their connections stay open. */
function pauseOf(pids: () => readonly number[], message: string): Fault {
  const stopped = new Set<number>()
  return {
    message,
    async begin() {
      for (const pid of pids()) {
        if (signal(pid, 'SIGSTOP')) stopped.add(pid)
      }
    },
    afterTurn: async () => {},
    async end() {
      for (const pid of [...stopped].toReversed()) signal(pid, 'SIGCONT')
      stopped.clear()
    },
  }
}

function signal(pid: number, name: 'SIGSTOP' | 'SIGCONT'): boolean {
  try {
    return process.kill(pid, name)
  } catch (error) {
    // It has ended meanwhile.
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
    throw error
  }
}

/**
 * Each copy gets a second replica, and the first one is killed during a second of load. After that second the balancer has noticed, and
 * all requests go to the replica that is left.
 */
class KilledReplica implements Fault {
  readonly message = 'One of two replicas is killed; the other one takes over'
  readonly #copies: readonly Copy[]
  #timer: NodeJS.Timeout | undefined
  #isKilled = false

  constructor(copies: readonly Copy[]) {
    this.#copies = copies
  }

  async begin(): Promise<void> {
    await Promise.all(this.#copies.map((copy) => copy.addReplica()))
    this.#timer = setTimeout(() => {
      this.#isKilled = true
      for (const copy of this.#copies) void copy.killReplica()
    }, KILL_AFTER_MS)
  }

  async afterTurn(): Promise<void> {
    if (!this.#isKilled) return
    for (const copy of this.#copies) copy.dropKilledReplica()
  }

  async end(): Promise<void> {
    clearTimeout(this.#timer)
    if (!this.#isKilled) await Promise.all(this.#copies.map((copy) => copy.killReplica()))
    for (const copy of this.#copies) copy.dropKilledReplica()
  }
}
