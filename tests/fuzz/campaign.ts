import { delay } from '@reference/async'
import fc from 'fast-check'
import { inFlight } from './in-flight.ts'
import type { Api, Operation } from './openapi.ts'
import { faultsOf, isRefusal, isSameAnswer, textOf } from './oracle.ts'
import { Patience, ROUND_LIMIT_MS } from './patience.ts'
import { headerOf, type Reply } from './replies.ts'
import { bytesOf, type FuzzRequest, isSafe, NEWEST, NEXT_PAGE } from './requests.ts'
import { type Target, Wires } from './wire.ts'

/** The most requests of one batch. */
const BATCH = 60

/** The most batches of one round; a round has its own seed. */
const ROUND = 25

/** The batches that send about this number of requests: those of half the size, each request sent twice. */
export const batchesFor = (requests: number, largest = BATCH): number =>
  Math.min(ROUND, Math.max(1, Math.ceil(requests / largest)))

/** Default of `concurrency`. */
const IN_FLIGHT = 16

/** Default of `settleMs`: longer than a page of orders is stored. */
const SETTLE_MS = 3000

export interface CampaignOptions {
  readonly target: Target
  readonly api: Api
  readonly requests: fc.Arbitrary<FuzzRequest>
  /** A second process of the service, whose answers to safe requests must be the same. */
  readonly twin?: Target
  /** The longest time that two equal requests may be answered differently after a write. */
  readonly settleMs?: number
  /** Requests in flight at the same time. */
  readonly concurrency?: number
  /** The number of requests to send, at least. */
  readonly count: number
  readonly seed: number
}

/** The requests that were sent, and their replies. */
export interface Summary {
  requests: number
  refused: number
  /** Requests by operation and status, such as `GET /users/{id} 200`. */
  readonly answers: Map<string, number>
}

export interface Campaign {
  readonly summary: Summary
  /** The first fault, with the shrunk request in a form that can be pasted; undefined without a fault. */
  readonly failure: string | undefined
}

/**
 * Sends batches of arbitrary requests until `count` is reached or a fault is found, and shrinks a fault to the smallest batch
 * and request that show it. The requests of a batch that change something are sent first; the safe ones are sent twice, and
 * to the twin.
 */
export async function runCampaign(options: CampaignOptions): Promise<Campaign> {
  const { count, seed, requests } = options
  const run = new Run(options)
  const batch = fc.array(requests, { minLength: 1, maxLength: BATCH, size: 'max' })
  try {
    for (let round = 0; run.summary.requests < count; round++) {
      const property = fc.asyncProperty(batch, (sent) => run.batch(sent))
      const details = await fc.check(property, {
        seed: seed + round,
        numRuns: batchesFor(count - run.summary.requests),
        interruptAfterTimeLimit: ROUND_LIMIT_MS,
      })
      if (!details.failed) continue
      const found = `FUZZ_SEED=${seed + round}, found after ${run.summary.requests} requests and shrunk ${details.numShrinks} times`
      return { summary: run.summary, failure: failureText(details.errorInstance as Error, run.first, found) }
    }
    return { summary: run.summary, failure: undefined }
  } finally {
    run.close()
  }
}

/** The shrunk fault, and the first line of the one that was found first, where shrinking has led to another one. */
export function failureText({ message }: Error, first: Error | undefined, found: string): string {
  const [before = ''] = (first?.message ?? '').split('\n')
  const [kind = ''] = before.split(/[:"]/)
  return `${message}\n${found}${message.startsWith(kind) ? '' : `; at first: ${before}`}`
}

class Run {
  /** The fault that was found first, before shrinking. */
  first: Error | undefined
  readonly summary: Summary = { requests: 0, refused: 0, answers: new Map() }
  readonly #options: CampaignOptions
  readonly #patience = new Patience()
  readonly #wires: Wires
  readonly #twin: Wires | undefined
  /** The newest id of each collection, and `next` of its newest page. */
  readonly #learned = new Map<string, string>()

  constructor(options: CampaignOptions) {
    this.#options = options
    this.#wires = new Wires(options.target, this.#patience)
    this.#twin = options.twin && new Wires(options.twin, this.#patience)
  }

  close(): void {
    this.#wires.close()
    this.#twin?.close()
  }

  /** @throws an error that names the request whose reply is wrong */
  async batch(requests: readonly FuzzRequest[]): Promise<void> {
    const { concurrency = IN_FLIGHT } = this.#options
    try {
      await inFlight(
        requests.filter((request) => !isSafe(request)),
        (request) => this.#change(request),
        concurrency,
      )
      await inFlight(requests.filter(isSafe), (request) => this.#read(request), concurrency)
      await this.#wires.probe().catch((error: Error) => {
        throw new Error(
          `${error.message}\nafter\n${requests.map((request) => this.#paste(request)).join('\n')}`,
        )
      })
    } catch (error) {
      this.first ??= error as Error
      this.#patience.shorten()
      this.close()
      throw error
    }
  }

  async #change(request: FuzzRequest): Promise<void> {
    await this.#send(this.#wires, this.#resolved(request))
  }

  async #read(given: FuzzRequest): Promise<void> {
    const request = this.#resolved(given)
    const first = await this.#send(this.#wires, request)
    if (isRefusal(first)) return
    await this.#sameAgain(this.#wires, request, first, 'the same request was answered differently')
    if (this.#twin) await this.#sameAgain(this.#twin, request, first, 'hot routes change the answer')
  }

  /** Asks again until the answers are the same. */
  async #sameAgain(wires: Wires, request: FuzzRequest, first: Reply, fault: string): Promise<void> {
    const until = performance.now() + (this.#options.settleMs ?? SETTLE_MS)
    for (let before = first; ; await delay(50)) {
      const again = await this.#send(wires, request)
      if (isRefusal(again) || isSameAnswer(before, again, request)) return
      if (performance.now() > until)
        throw this.#fault(request, [`${fault}:\n${shown(before)}\n${shown(again)}`])
      before = await this.#send(this.#wires, request)
      if (isRefusal(before)) return
    }
  }

  async #send(wires: Wires, request: FuzzRequest): Promise<Reply> {
    this.summary.requests++
    const reply = await wires.exchange(bytesOf(request), request.method).catch((error: Error) => {
      throw this.#fault(request, [error.message])
    })
    if (isRefusal(reply)) this.summary.refused++
    const label = `${request.method} ${request.operation?.path ?? '…'} ${reply.status}`
    this.summary.answers.set(label, (this.summary.answers.get(label) ?? 0) + 1)
    const faults = faultsOf(reply, request, this.#options.api)
    if (faults.length > 0) throw this.#fault(request, faults)
    this.#learn(request, reply)
    return reply
  }

  #learn(request: FuzzRequest, reply: Reply): void {
    const [, collection, id] = /^(\/[a-z-]+)\/([\w-]+)$/.exec(headerOf(reply, 'location') ?? '') ?? []
    if (collection !== undefined && id !== undefined) this.#learned.set(`${collection} ${NEWEST}`, id)
    const { operation } = request
    if (operation === undefined || reply.status !== 200 || request.method !== 'GET') return
    if (!operation.parameters.some(({ name }) => name === 'after')) return
    const { next } = JSON.parse(textOf(reply)) as { next: string | null }
    if (next !== null) this.#learned.set(`${operation.path} ${NEXT_PAGE}`, next)
  }

  /** The request with ids and cursors of earlier replies in it. */
  #resolved(request: FuzzRequest): FuzzRequest {
    const { target, operation } = request
    if (operation === undefined || !target.includes('@n')) return request
    const collection = operation.path.replace(/\/\{.*/, '')
    const learned = (name: string) => this.#learned.get(`${collection} ${name}`) ?? '1'
    return {
      ...request,
      target: target.replaceAll(NEWEST, learned(NEWEST)).replaceAll(NEXT_PAGE, learned(NEXT_PAGE)),
    }
  }

  #fault(request: FuzzRequest, faults: readonly string[]): Error {
    return new Error(`${faults.join('\n')}\n${this.#paste(request)}`)
  }

  #paste(request: FuzzRequest): string {
    return pasteable(bytesOf(this.#resolved(request)), this.#options.target)
  }
}

const shown = (reply: Reply) =>
  `  ${reply.status} ${JSON.stringify([...reply.headers])} ${JSON.stringify(textOf(reply).slice(0, 300))}`

/** Bytes as a command for a shell. */
export function pasteable(bytes: string, { host, port }: Target): string {
  const escaped = bytes.replaceAll(/[^\x20-\x7e]|[\\%']/g, (char) =>
    char === '%' ? '%%' : `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`,
  )
  return `printf '${escaped}' | nc ${host} ${port}`
}

/** Operations without an answer of a kind, such as a success: a campaign that never gets one tests little. */
export function operationsWithout(
  kind: RegExp,
  { answers }: Summary,
  operations: readonly Operation[],
): string[] {
  return operations
    .map(({ method, path }) => `${method} ${path}`)
    .filter(
      (name) =>
        ![...answers.keys()].some(
          (label) => label.startsWith(`${name} `) && kind.test(label.slice(name.length + 1)),
        ),
    )
}
