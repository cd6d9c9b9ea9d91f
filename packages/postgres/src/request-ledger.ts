import { Type } from './message-forms.ts'

/** The requests up to one `Sync`, or one simple query, and the part of their answers that has arrived. */
interface Cycle {
  /** Messages that the server answers. */
  requests: number
  /** Executions of a portal. */
  executions: number
  completed: number
  hasFailed: boolean
  /** A simple query may contain several statements. */
  readonly isSimple: boolean
}

const QUERY = 0x51
const SYNC = 0x53
const EXECUTE = 0x45
/** Parse, Bind, Describe, Close. */
const ANSWERED = new Set([0x50, 0x42, 0x44, 0x43])

/**
 * Keeps the answers of a server beside the requests of a driver. A `ReadyForQuery` too early would otherwise give the answer of
 * one statement to another, because drivers count nothing else.
 */
export class RequestLedger {
  /** Cycles that the driver has ended and the server has not. */
  readonly #ended: Cycle[] = []
  #open = newCycle(false)
  #hasStarted = false

  sent(bytes: Buffer): void {
    // The start message, or a cancel request, has no type.
    if (!this.#hasStarted) {
      this.#hasStarted = true
      return
    }
    for (let at = 0; at + 5 <= bytes.length; at += 1 + bytes.readUInt32BE(at + 1))
      this.#request(bytes[at] ?? 0)
  }

  /** @returns what is wrong with a message of this type now */
  received(type: number): string | undefined {
    switch (type) {
      case Type.notice:
      case Type.parameterStatus:
      case Type.notification:
        return undefined
      case Type.authentication:
      case Type.keyData:
        return 'a login in the middle of a session'
      case Type.error:
        // Without a request the server ends the session, as for an administrator.
        this.#current.hasFailed = this.#current.requests > 0
        return undefined
      case Type.ready:
        return this.#ready()
      default:
        return this.#answer(type)
    }
  }

  get #current(): Cycle {
    return this.#ended[0] ?? this.#open
  }

  #request(type: number): void {
    if (type === QUERY) {
      this.#ended.push({ ...newCycle(true), requests: 1, executions: 1 })
    } else if (type === SYNC) {
      this.#ended.push(this.#open)
      this.#open = newCycle(false)
    } else if (type === EXECUTE) {
      this.#open.requests++
      this.#open.executions++
    } else if (ANSWERED.has(type)) this.#open.requests++
  }

  #ready(): string | undefined {
    const cycle = this.#ended.shift()
    if (cycle === undefined) return 'the end of a request that was not sent'
    if (!cycle.hasFailed && cycle.completed < cycle.executions)
      return 'the end of a request before its answer'
    return undefined
  }

  #answer(type: number): string | undefined {
    const cycle = this.#current
    const { requests, executions, completed, isSimple, hasFailed } = cycle
    const name = `message ${String.fromCharCode(type)}`
    if (requests === 0 || hasFailed) return `${name} without a request`
    const isOfExecution = type === Type.row || isCompletion(type)
    if (isOfExecution && !isSimple && completed >= executions) return `${name} behind the end of a statement`
    if (isCompletion(type)) cycle.completed++
    return undefined
  }
}

function newCycle(isSimple: boolean): Cycle {
  return { requests: 0, executions: 0, completed: 0, hasFailed: false, isSimple }
}

function isCompletion(type: number): boolean {
  return type === Type.complete || type === Type.emptyQuery || type === Type.portalSuspended
}
