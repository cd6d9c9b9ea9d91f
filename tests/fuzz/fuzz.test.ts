import { createHash } from 'node:crypto'
import { testDatabase, testRedis } from '@reference/local-stack'
import t from 'tap'
import { growthFaults, settledVitals } from '../testing/growth.ts'
import { type ObservedService, startObserved, type Vitals } from '../testing/vitals.ts'
import { type CampaignOptions, operationsWithout, runCampaign, type Summary } from './campaign.ts'
import { readApi } from './openapi.ts'
import { runRawCampaign } from './raw-campaign.ts'
import { requestOf } from './requests.ts'

/** Of all requests; a failure prints the seed that repeats it. */
const SEED = Number(process.env.FUZZ_SEED ?? 1)

/** CI sends a few thousand, the nightly run 100,000: FUZZ_REQUESTS=100000 pnpm test tests/fuzz */
const REQUESTS = Number(process.env.FUZZ_REQUESTS ?? 2500)
const IS_LONG = REQUESTS > 20_000

/** The parts of the requests that go to the parallel-api, and that are conversations over raw sockets. */
const PARALLEL_SHARE = 0.15
const RAW_SHARE = 0.15

/** A call of `/aggregate` makes up to a thousand calls of the reference-api: sixteen at a time took longer than its budget on a busy machine. */
const PARALLEL_CONCURRENCY = 4

/** The first part of the requests fills pools and caches; memory is compared from its end on. */
const WARM_UP_SHARE = 0.3

/** Refusals are by design when the machine is too busy for this test; more than this share would leave little that is tested. */
const MOST_REFUSED = IS_LONG ? 0.05 : 0.3

const ADMIN = 'fuzz-admin-token'
const WRITER = 'fuzz-writer-token'
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

const TOKENS = {
  valid: ADMIN,
  others: [
    `Bearer ${WRITER}`,
    'Bearer wrong',
    'Bearer',
    'Basic YTpi',
    '',
    `bearer ${ADMIN}`,
    `Bearer ${ADMIN} x`,
    '\xff',
  ],
}

t.setTimeout(IS_LONG ? 3_600_000 : 280_000)

t.test('no request leads to a 5xx, a crash, an undocumented reply or a leak', async (t) => {
  const [database, redis] = [await testDatabase(t), await testRedis(t, { own: true })]
  const settings = {
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
    AUTH: 'token',
    AUTH_TOKENS: `admin:${sha256(ADMIN)}:admin,writer:${sha256(WRITER)}:write`,
    // A share of the requests has an unknown token.
    AUTH_FAILURES_PER_MINUTE: '1000000',
    // Small, so that bodies over the limit are cheap to send and tier 1 is full after the warm-up.
    BODY_LIMIT_BYTES: '65536',
    CACHE_L1_MAX_ENTRIES: '2000',
    CACHE_L1_MAX_BYTES: `${4 << 20}`,
    CACHE_PAGE_TTL_MS: '200',
  }
  const reference = startObserved(t, 'reference-api', settings)
  const plain = startObserved(t, 'reference-api', { ...settings, HTTP_FAST_PATH: 'off' })
  const [referenceOrigin, plainOrigin] = await Promise.all([reference.listening(), plain.listening()])
  const origins = { reference: referenceOrigin, plain: plainOrigin }
  const parallel = startObserved(t, 'parallel-api', { ...settings, UPSTREAM_URL: origins.reference })
  const parallelOrigin = await parallel.listening()
  const processes = { reference, plain, parallel }

  const campaignOf = async (origin: string, twin?: string) => {
    const api = await readApi(origin)
    const requests = requestOf(api.operations, TOKENS)
    const targets = { target: targetOf(origin), ...(twin !== undefined && { twin: targetOf(twin) }) }
    return { api, requests, ...targets }
  }
  const campaigns = {
    reference: await campaignOf(origins.reference, origins.plain),
    parallel: { ...(await campaignOf(parallelOrigin)), concurrency: PARALLEL_CONCURRENCY },
  }
  const began = performance.now()

  /** All campaigns, one after the other. */
  async function run(
    share: number,
    seed: number,
  ): Promise<Record<'reference' | 'parallel' | 'raw', Summary>> {
    const total = Math.ceil(REQUESTS * share)
    const http = async (options: Omit<CampaignOptions, 'count' | 'seed'>, part: number) => {
      const { summary, failure } = await runCampaign({ ...options, seed, count: Math.ceil(total * part) })
      if (failure !== undefined) t.fail(failure)
      return summary
    }
    const raw = await runRawCampaign({ ...campaigns.reference, seed, count: Math.ceil(total * RAW_SHARE) })
    if (raw.failure !== undefined) t.fail(raw.failure)
    return {
      reference: await http(campaigns.reference, 1 - PARALLEL_SHARE - RAW_SHARE),
      parallel: await http(campaigns.parallel, PARALLEL_SHARE),
      raw: raw.summary,
    }
  }

  const first = await run(WARM_UP_SHARE, SEED)
  const before = await vitalsOf(processes)
  // Another seed, so that the second part does not repeat the first.
  const second = await run(1 - WARM_UP_SHARE, SEED + 1_000_000)
  const after = await vitalsOf(processes)

  for (const name of ['reference', 'plain', 'parallel'] as const) {
    const process = processes[name]
    t.same(
      [process.child.exitCode, process.child.signalCode],
      [null, null],
      `${name} lives: ${process.output.text.slice(-2000)}`,
    )
    t.same(growthFaults(before[name], after[name]), [], `memory and handles of ${name} return`)
  }
  const summaries = {
    reference: sumOf(first.reference, second.reference),
    parallel: sumOf(first.parallel, second.parallel),
    raw: sumOf(first.raw, second.raw),
  }
  for (const [name, summary] of Object.entries(summaries)) {
    t.ok(
      summary.refused <= summary.requests * MOST_REFUSED,
      `${name}: ${summary.refused} refused of ${summary.requests}`,
    )
  }
  for (const name of ['reference', 'parallel'] as const) {
    const { operations } = campaigns[name].api
    t.same(operationsWithout(/^2/, summaries[name], operations), [], `${name}: each operation succeeded`)
  }
  t.ok((await hotAnswers(origins.reference)) > REQUESTS / 100, 'hot routes answered')
  t.equal(await hotAnswers(origins.plain), 0)
  report(summaries, { seconds: (performance.now() - began) / 1000, before, after })
})

const targetOf = (origin: string) => ({ host: '127.0.0.1', port: Number(new URL(origin).port) })

function sumOf(one: Summary, other: Summary): Summary {
  const answers = new Map(one.answers)
  for (const [label, count] of other.answers) answers.set(label, (answers.get(label) ?? 0) + count)
  return { requests: one.requests + other.requests, refused: one.refused + other.refused, answers }
}

/** Requests that a hot route answered. */
async function hotAnswers(origin: string): Promise<number> {
  const text = await (await fetch(`${origin}/metrics`)).text()
  const counts = text.matchAll(/^http_fast_path_requests_total\{.*\} (\d+)/gm)
  return [...counts].reduce((sum, [, count]) => sum + Number(count), 0)
}

type Processes = Record<'reference' | 'plain' | 'parallel', ObservedService>

async function vitalsOf({ reference, plain, parallel }: Processes): Promise<Record<keyof Processes, Vitals>> {
  return {
    reference: await settledVitals(reference),
    plain: await settledVitals(plain),
    parallel: await settledVitals(parallel),
  }
}

/** The number of replies by the last word of their label, the status, such as `200: 17, 404: 3`. */
function byStatus(answers: Iterable<readonly [label: string, count: number]>): string {
  const counts = new Map<string, number>()
  for (const [label, count] of answers) {
    const status = label.slice(-3)
    counts.set(status, (counts.get(status) ?? 0) + count)
  }
  return [...counts]
    .sort()
    .map(([status, count]) => `${status}: ${count}`)
    .join(', ')
}

/** One line for each campaign and process, on standard error; after a long run also for each method and path. */
function report(
  summaries: Record<string, Summary>,
  {
    seconds,
    before,
    after,
  }: { seconds: number; before: Record<string, Vitals>; after: Record<string, Vitals> },
): void {
  for (const [name, { requests, refused, answers }] of Object.entries(summaries)) {
    process.stderr.write(`fuzz of ${name}: ${requests} sent, ${refused} refused; ${byStatus(answers)}\n`)
    if (!IS_LONG || name === 'raw') continue
    const calls = Map.groupBy(answers, ([label]) => label.slice(0, -4))
    for (const [call, counts] of [...calls].sort()) process.stderr.write(`  ${call}  ${byStatus(counts)}\n`)
  }
  for (const [name, { heapBytes, rssBytes, sockets, files }] of Object.entries(after)) {
    const first = before[name] as Vitals
    const mb = (bytes: number) => (bytes / 1e6).toFixed(1)
    process.stderr.write(
      `${name}: heap ${mb(first.heapBytes)} to ${mb(heapBytes)} MB, RSS ${mb(first.rssBytes)} to ${mb(rssBytes)} MB, ` +
        `sockets ${first.sockets} to ${sockets}, files ${first.files} to ${files}\n`,
    )
  }
  process.stderr.write(`fuzz: seed ${SEED}, ${seconds.toFixed(1)} s\n`)
}
