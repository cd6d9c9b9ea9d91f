import { existsSync } from 'node:fs'
import { until } from '@reference/async'
import t from 'tap'
import type { LabEvent, Sample, State } from './protocol.ts'
import { startLab } from './testing/run-lab.ts'

// Tier 1 answers only while its tracking link proves itself, which a machine busy with other tests delays.
const SLOW = process.env.SLOW_TESTS !== 'on' && 'needs an idle machine: SLOW_TESTS=on'
// 20 s on an idle machine; everything takes many times as long on a starved one.
t.setTimeout(500_000)

/** The event stream of a lab, as its page reads it. */
class Events {
  state: State | undefined
  readonly samples: Sample[] = []
  readonly #url: string

  constructor(url: string) {
    this.#url = url
  }

  async read(): Promise<void> {
    const reply = await fetch(`${this.#url}/events`)
    let text = ''
    for await (const chunk of reply.body ?? []) {
      text += Buffer.from(chunk).toString()
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        this.#receive(text.slice(0, end))
        text = text.slice(end + 2)
      }
    }
  }

  #receive(message: string): void {
    const [, type, data] = /^event: (\w+)\ndata: (.*)$/.exec(message) ?? []
    if (type === undefined || data === undefined) return
    const event = { type, data: JSON.parse(data) } as LabEvent
    if (event.type === 'state') this.state = event.data
    if (event.type === 'sample') this.samples.push(event.data)
  }
}

t.test(
  'a lab on real servers measures both copies, follows switches, and survives its faults',
  { skip: SLOW },
  async (t) => {
    const args = ['--build', 'sources', '--users', '4000', '--products', '100', '--orders', '500']
    const lab = await startLab([...args, '--warm-up-ms', '300'])
    t.teardown(() => lab.stop())
    const events = new Events(lab.url)
    const ended = events.read()
    const command = async (name: string, body: unknown) => {
      const headers = { origin: lab.url, 'content-type': 'application/json' }
      const reply = await fetch(`${lab.url}/commands/${name}`, {
        method: 'POST',
        headers,
        body: JSON.stringify(body),
      })
      t.equal(reply.status, 204, `${name} ${JSON.stringify(body)}`)
    }
    const newSample = async (found: (sample: Sample) => boolean, what: string) => {
      const from = events.samples.length
      return until(what, () => events.samples.slice(from).find(found), { timeoutMs: 60_000 })
    }

    const both = await newSample(
      ({ figures: { shipped, yours } }) => Number(shipped.tiers?.l1) > 0.5 && Number(yours.tiers?.l1) > 0.5,
      'both copies answer from tier 1',
    )
    for (const side of ['shipped', 'yours'] as const) {
      const { rate, p50, p99, sent } = both.figures[side]
      t.ok(Number(rate) > 10 && Number(p50) > 0 && Number(p99) >= Number(p50), `${side}: ${rate}/s`)
      t.equal(sent, 200, 'half a second of 400 requests a second')
    }

    await command('settings', { CACHE_L1: 'off' })
    const changed = await newSample(
      ({ run, figures: { shipped, yours } }) =>
        run > both.run && Number(shipped.tiers?.l1) > 0.5 && Number(yours.tiers?.l2) > 0.5,
      'shipped answers from tier 1, yours from Redis',
    )
    t.equal(changed.figures.yours.tiers?.l1, 0)
    const counted = await newSample(({ figures }) => figures.yours.commands !== null, 'commands are counted')
    t.ok(
      Number(counted.figures.yours.commands) > Number(counted.figures.shipped.commands),
      'yours asks Redis more',
    )
    await until('there is a ratio', () => events.state?.comparison.rate ?? false, { timeoutMs: 60_000 })

    await command('fault', { name: 'redis' })
    const hung = await newSample(({ fault }) => fault === 'redis', 'a second without Redis')
    t.ok(Number(hung.figures.shipped.tiers?.l1 ?? 0) < 0.5, 'tier 1 is not trusted without Redis')
    await command('fault', { name: 'replica' })
    const killed = await newSample(
      ({ fault, figures }) => fault === 'replica' && (figures.shipped.failures.connection ?? 0) > 0,
      'callers of the killed replica',
    )
    t.ok(
      (killed.figures.shipped.failures.connection ?? 0) < killed.figures.shipped.sent,
      'the other one answers',
    )
    await newSample(
      ({ fault, figures }) => fault === 'replica' && Object.keys(figures.shipped.failures).length === 0,
      'the other replica alone',
    )
    await command('load', { workload: 'users', callers: 4, ratePerSecond: 100, hitRatio: 0.2, writeShare: 0 })
    await command('fault', { name: 'postgres' })
    const paused = await newSample(
      ({ fault, figures }) => fault === 'postgres' && Object.keys(figures.yours.failures).length > 0,
      'callers who wait for Postgres',
    )
    t.ok(Number(paused.figures.yours.p99) > 500, `p99 ${paused.figures.yours.p99} ms`)
    await command('fault', { name: 'none' })
    const mended = await newSample(
      ({ fault, figures }) => fault === null && Object.keys(figures.yours.failures).length === 0,
      'a turn after the fault',
    )
    t.ok(Number(mended.figures.shipped.rate) > 10)
    t.match(events.state?.faultReport, { name: 'postgres', ended: true })

    t.equal(await lab.stop(), 0, 'Ctrl-C ends it')
    await ended
    t.equal(events.state?.phase, 'ended', 'pages learn of the end')
    if (process.platform === 'linux') t.notOk(existsSync(`/proc/${lab.pid}/task`))
  },
)
