import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Failure } from '../testing/load.ts'
import { driftFaults, latencyFaults, MEASURES, slopesOf } from './judge.ts'
import { type Soak, soak } from './soak.ts'

/** The long form, which runs alone, at 60 % of the capacity: SOAK_SECONDS=1800 pnpm test tests/soak */
const LONG_SECONDS = Number(process.env.SOAK_SECONDS ?? 0)
const isLong = LONG_SECONDS > 0
const SECONDS = isLong ? LONG_SECONDS : 12

/** The load of the short form, which a machine can answer that runs other tests at the same time. */
const SHORT_PER_SECOND = 60

/** In place of 60 % of the capacity, on a machine whose capacity other work changes. */
const FIXED_PER_SECOND = Number(process.env.SOAK_PER_SECOND ?? (isLong ? 0 : SHORT_PER_SECOND))

/** Refusals, as a share of the requests, of a machine that has no processor left for a while. A long run has none. */
const MOST_REFUSED = isLong ? 0 : 0.5

const LEAK = fileURLToPath(new URL('../testing/leak-process.ts', import.meta.url))
const LEAK_SECONDS = 8

t.setTimeout(isLong ? 300_000 + SECONDS * 1500 : 290_000)

t.test('under a steady load with clients that leave, nothing grows, fails or is lost', async (t) => {
  const result = await soak(t, {
    seconds: SECONDS,
    ...(FIXED_PER_SECOND > 0 && { requestsPerSecond: FIXED_PER_SECOND }),
  })
  report(result)
  for (const name of ['reference', 'parallel'] as const) {
    t.same(driftFaults(slopesOf(result.samples[name]), SECONDS), [], `${name}: nothing grows`)
  }
  // Beside other tests the latency is theirs.
  if (isLong) t.same(latencyFaults(result.p99), [])
  const refused = result.failures.filter(isRefusal).length
  t.same(
    result.failures.filter((failure) => !isRefusal(failure)),
    [],
    'no reply is an error, and no connection is reset',
  )
  t.ok(refused <= result.sent * MOST_REFUSED, `${refused} of ${result.sent} refused`)
  t.ok(result.writesFailed <= result.acknowledged * MOST_REFUSED, `${result.writesFailed} writes failed`)
  t.ok(result.acknowledged > (isLong ? SECONDS : 0), `${result.acknowledged} writes`)
  t.same(result.lost, [], 'the ledger of acknowledged writes is intact')
  t.same(result.stale, [], 'each service reads what the database has')
})

t.test('a leak of memory and of files is found', async (t) => {
  const options = { seconds: LEAK_SECONDS, requestsPerSecond: SHORT_PER_SECOND, imports: [LEAK] }
  const { samples } = await soak(t, options)
  const faults = driftFaults(slopesOf(samples.reference), LEAK_SECONDS)
  t.ok(
    faults.some((fault) => fault.startsWith('heapMb grows')),
    faults.join('; '),
  )
  t.ok(
    faults.some((fault) => fault.startsWith('files grows')),
    faults.join('; '),
  )
})

/** A 503, or the 504 of a deadline, which the document of the service names only for these calls. */
const isRefusal = ({ status, call }: Failure) =>
  status === 503 || (status === 504 && /^GET \/(aggregate|report)/.test(call))

function report({
  samples,
  ratePerSecond,
  sent,
  failures,
  p99,
  left,
  acknowledged,
  writesFailed,
}: Soak): void {
  const line = (text: string) => process.stderr.write(`${text}\n`)
  line(
    `soak of ${SECONDS} s: ${ratePerSecond} requests/s, ${sent} sent, ${failures.length} failed, p99 ${p99[0]} and ${p99[1]} ms, ` +
      `${acknowledged} writes acknowledged, ${writesFailed} failed, ${left} clients left`,
  )
  for (const [name, taken] of Object.entries(samples)) {
    const slopes = slopesOf(taken)
    for (const measure of MEASURES) {
      const { perMinute, low, high } = slopes[measure]
      const [first, last] = [taken[0], taken.at(-1)].map((sample) =>
        (sample?.values[measure] ?? 0).toFixed(1),
      )
      line(
        `  ${name} ${measure}: ${first} to ${last}, ${perMinute.toFixed(2)} a minute (${low.toFixed(2)} to ${high.toFixed(2)})`,
      )
    }
  }
}
