import { startService } from '@reference/local-stack'
import type { Arbitrary } from 'fast-check'
import t from 'tap'
import { runCampaign } from '../fuzz/campaign.ts'
import { bytesOfConversation, conversation } from '../fuzz/conversations.ts'
import { readApi } from '../fuzz/openapi.ts'
import { runRawCampaign } from '../fuzz/raw-campaign.ts'
import { type FuzzRequest, requestOf } from '../fuzz/requests.ts'
import { report, theProduction } from './production.ts'

// The fuzz of tests/fuzz, through nginx.

const SEED = Number(process.env.FUZZ_SEED ?? 1)
const REQUESTS = Number(process.env.FUZZ_REQUESTS ?? 3000)

const { origin, authorization } = theProduction()
const target = { host: '127.0.0.1', port: Number(new URL(origin).port) }
const valid = authorization.authorization.replace('Bearer ', '')

t.setTimeout(880_000)

/** The document comes from a process of the same source: in production it may be closed to the outside. */
async function apiOf(service: 'reference-api' | 'parallel-api') {
  const { listening, end } = startService(t, service, { DATABASE_URL: 'postgres://a:b@127.0.0.1:1/none' })
  const api = await readApi(await listening(90_000))
  await end('SIGTERM')
  return { ...api, throughNginx: true }
}

/** nginx removes these segments, and another operation answers. */
const hasDots = /\/(?:\.|%2e){1,2}(?:\/|\?|#|$)/i

/** The paths below which nginx serves the documents of each service. */
const below = (prefix: string, requests: Arbitrary<FuzzRequest>) =>
  requests.map((request) => ({
    ...request,
    operation: hasDots.test(request.target) ? undefined : request.operation,
    target: request.target.replace(/^(http:\/\/[^/]+)?/, (authority) => authority + prefix),
  }))

/** HTTP/0.9, whose replies have no head: nginx answers it, the services do not. */
const hasNoVersion = /^[A-Z]+ +\S+ *$/m

for (const [service, prefix] of [
  ['reference-api', ''],
  ['parallel-api', '/parallel'],
] as const) {
  t.test(`fuzzed requests to the ${service} through nginx`, async (t) => {
    const api = await apiOf(service)
    // Without an unknown token: from the thirtieth a minute on the service would refuse every token of this address.
    const requests = below(prefix, requestOf(api.operations, { valid, others: [] }))
    const count = Math.ceil(REQUESTS * (service === 'reference-api' ? 0.6 : 0.2))
    const concurrency = /^parallel/.test(service) ? 4 : 16
    const { summary, failure } = await runCampaign({
      target,
      api,
      requests,
      count,
      concurrency,
      seed: SEED,
    })
    t.equal(failure, undefined)
    t.ok(summary.refused <= summary.requests * 0.05, `${summary.refused} refused`)
    report(`${service}: ${summary.requests} fuzzed requests through nginx, ${summary.refused} refused`)
  })
}

t.test('raw conversations with nginx', async (t) => {
  const api = await apiOf('reference-api')
  const conversations = conversation.filter((one) => !hasNoVersion.test(bytesOfConversation(one)))
  const count = Math.ceil(REQUESTS * 0.2)
  const { summary, failure } = await runRawCampaign({ target, api, conversations, count, seed: SEED })
  t.equal(failure, undefined)
  report(`${summary.requests} raw conversations with nginx: ${JSON.stringify([...summary.answers].sort())}`)
})
