import fc from 'fast-check'
import { batchesFor, failureText, pasteable, type Summary } from './campaign.ts'
import {
  bytesOfConversation,
  conversation,
  converseRaw,
  type RawConversation,
  repliesTo,
} from './conversations.ts'
import { inFlight } from './in-flight.ts'
import type { Api } from './openapi.ts'
import { faultsOf, isRefusal, isSameAnswer, textOf } from './oracle.ts'
import { Patience, ROUND_LIMIT_MS } from './patience.ts'
import type { Reply } from './replies.ts'
import type { Target } from './wire.ts'

/**
 * Conversations at the same time, most of which wait for the end of their connection. Each has up to eight requests in flight, and from 256
 * in flight on a service may refuse some.
 */
const IN_FLIGHT = 24

/** The most conversations of one batch. */
const BATCH = 40

export interface RawCampaignOptions {
  readonly target: Target
  readonly api: Api
  /** A second process of the service, whose answers must be the same. */
  readonly twin?: Target
  /** In place of those with the service itself. */
  readonly conversations?: fc.Arbitrary<RawConversation>
  /** The number of conversations. */
  readonly count: number
  readonly seed: number
}

/** Has arbitrary conversations over sockets, as `runCampaign` sends requests. */
export async function runRawCampaign(
  options: RawCampaignOptions,
): Promise<{ summary: Summary; failure: string | undefined }> {
  const { count, seed, conversations = conversation } = options
  const summary: Summary = { requests: 0, refused: 0, answers: new Map() }
  const patience = new Patience()
  const batch = fc.array(conversations, { minLength: 1, maxLength: BATCH, size: 'max' })
  let first: Error | undefined
  for (let round = 0; summary.requests < count; round++) {
    const check = (one: RawConversation) => checkConversation(one, { ...options, patience }, summary)
    const property = fc.asyncProperty(batch, (batched) =>
      inFlight(batched, check, IN_FLIGHT).catch((error: Error) => {
        first ??= error
        throw error
      }),
    )
    const details = await fc.check(property, {
      seed: seed + round,
      numRuns: batchesFor(count - summary.requests, BATCH / 2),
      interruptAfterTimeLimit: ROUND_LIMIT_MS,
    })
    if (!details.failed) continue
    const found = `FUZZ_SEED=${seed + round}, found after ${summary.requests} conversations and shrunk ${details.numShrinks} times`
    return { summary, failure: failureText(details.errorInstance as Error, first, found) }
  }
  return { summary, failure: undefined }
}

async function checkConversation(
  one: RawConversation,
  { target, twin, api, patience }: RawCampaignOptions & { patience: Patience },
  summary: Summary,
): Promise<void> {
  summary.requests++
  const command = () =>
    `${pasteable(bytesOfConversation(one), target)}   # ${one.ending}, in pieces of ${one.pieceBytes ?? 'any size'}`
  try {
    const received = await converseRaw(target, one, patience)
    const replies = repliesTo(one, received)
    const faults = judge(one, replies, api, summary)
    if (faults.length > 0) throw new Error(faults.join('\n'))
    if (twin !== undefined && isOneHead(one))
      checkTwin(replies, repliesTo(one, await converseRaw(twin, one, patience)))
  } catch (error) {
    patience.shorten()
    throw new Error(`${(error as Error).message}\n${command()}`)
  }
}

/** Whether nothing follows the first head but the last request. */
function isOneHead({ ending, requests }: RawConversation): boolean {
  const [first, ...more] = requests
  return ending === 'patient' && more.length === 0 && first?.bytes.search(/\r?\n\r?\n(?=[\s\S])/) === -1
}

/** Compares the first replies: how many requests are answered before malformed bytes depends on the tier that answers. */
function checkTwin([found]: readonly Reply[], [wanted]: readonly Reply[]): void {
  if (found === undefined || wanted === undefined) return
  if (isSameAnswer(found, wanted, { operation: undefined, method: 'GET' })) return
  const both = [found, wanted].map(
    (reply) => `  ${reply.status} ${JSON.stringify([...reply.headers])} ${textOf(reply)}`,
  )
  throw new Error(`hot routes change the answer:\n${both.join('\n')}`)
}

function judge(one: RawConversation, replies: readonly Reply[], api: Api, summary: Summary): string[] {
  return replies.flatMap((reply, index) => {
    if (isRefusal(reply)) summary.refused++
    summary.answers.set(`${reply.status}`, (summary.answers.get(`${reply.status}`) ?? 0) + 1)
    return faultsOf(reply, { operation: undefined, method: one.requests[index]?.method ?? 'GET' }, api)
  })
}
