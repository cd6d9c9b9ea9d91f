import { fileURLToPath } from 'node:url'
import t from 'tap'
import { driftFaults, latencyFaults, MEASURES, slopesOf } from './judge.ts'
import { type Soak, soak } from './soak.ts'

// It measures drift, so it runs alone: SOAK_SECONDS=15 pnpm test tests/soak. The nightly run takes 30 minutes.
const SECONDS = Number(process.env.SOAK_SECONDS ?? 0)
const skip = SECONDS > 0 ? false : 'runs alone: SOAK_SECONDS=15'

/** Refusals, as a share of the requests, of a machine that has become slower since the calibration. A long run has none. */
const MOST_REFUSED = SECONDS < 60 ? 0.01 : 0

const LEAK = fileURLToPath(new URL('../testing/leak-process.ts', import.meta.url))
const LEAK_SECONDS = 5

t.setTimeout(120_000 + SECONDS * 1500)

t.test(
  'under a steady load with clients that leave, nothing grows, fails or is lost',
  { skip },
  async (t) => {
    const result = await soak(t, { seconds: SECONDS })
    report(result)
    for (const name of ['reference', 'parallel'] as const) {
      t.same(driftFaults(slopesOf(result.samples[name]), SECONDS), [], `${name}: nothing grows`)
    }
    t.same(latencyFaults(result.p99), [])
    const refused = result.failures.filter(({ status }) => status === 503).length
    t.same(
      result.failures.filter(({ status }) => status !== 503),
      [],
      'no reply is an error, and no connection is reset',
    )
    t.ok(refused <= result.sent * MOST_REFUSED, `${refused} of ${result.sent} refused`)
    t.ok(result.writesFailed <= result.acknowledged * MOST_REFUSED, `${result.writesFailed} writes failed`)
    t.ok(result.acknowledged > SECONDS, `${result.acknowledged} writes`)
    t.same(result.lost, [], 'the ledger of acknowledged writes is intact')
    t.same(result.stale, [], 'each service reads what the database has')
  },
)

t.test('a leak of memory and of files is found', { skip }, async (t) => {
  const { samples } = await soak(t, { seconds: LEAK_SECONDS, imports: [LEAK] })
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
