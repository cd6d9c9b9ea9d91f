import { setTimeout as sleep } from 'node:timers/promises'
import { type Fault, type Told, UNCOUNTED } from './faults.ts'
import { type Observed, type Received, until } from './stack.ts'

const ARRIVES_MS = 120_000
const ENDS_MS = 240_000
/** What a fault causes besides would have come by then: the longest `for` is 20 s here, then come two rounds of rules. */
const OTHERS_MS = 15_000

/** Whether nothing fires, or is about to, but what is not counted: what a fault left behind belongs to that one. */
export async function quiet(stack: Observed): Promise<boolean> {
  return (await stack.query(`ALERTS{alertname!~"${UNCOUNTED.join('|')}"}`)).length === 0
}

/**
 * Causes a fault, waits for its alerts at the webhook, mends it, and waits for word that they are over.
 *
 * @returns what was wrong: an alert that did not come or end, or one that was told and is none of this fault
 */
export async function checkFault(stack: Observed, fault: Fault): Promise<string | undefined> {
  const { alerts, alsoAllowed = [], cause } = fault
  // Twice: what was waiting in the fault before may fail, and be told, a while after it was mended.
  await until('nothing fires before', () => quiet(stack), ENDS_MS)
  await sleep(OTHERS_MS)
  await until('nothing fires before', () => quiet(stack), ENDS_MS)
  const before = (await stack.received()).length
  const told = async () => (await stack.received()).slice(before)
  const has = (all: Received[], { name, labels = {}, summary = /./ }: Told, status: string) =>
    all.some(
      (one) =>
        one.name === name &&
        one.status === status &&
        // One that is over is told with words of its last moment.
        (status === 'resolved' || summary.test(one.summary)) &&
        Object.entries(labels).every(([label, value]) => one.labels[label] === value),
    )
  const wait = (alert: Told, status: string, limitMs: number) =>
    until(`${alert.name} ${status}`, async () => has(await told(), alert, status), limitMs)

  const expected = [...alerts.map(({ name }) => name), ...alsoAllowed, ...UNCOUNTED]
  const others = async () =>
    [
      ...new Set(
        (await told())
          .filter(({ name }) => !expected.includes(name))
          .map(({ labels }) => JSON.stringify(labels)),
      ),
    ].join(' ')
  let mend: (() => Promise<unknown>) | undefined
  try {
    mend = await cause(stack)
    for (const alert of alerts) await wait(alert, 'firing', ARRIVES_MS)
    await sleep(OTHERS_MS)
    await mend()
    mend = undefined
    for (const alert of alerts) await wait(alert, 'resolved', ENDS_MS)
  } catch (error) {
    const names = (await told()).map(
      ({ status, labels, summary }) => `${status} ${JSON.stringify(labels)} ${summary}`,
    )
    return `${(error as Error).message}; told: ${[...new Set(names)].join(', ')}`
  } finally {
    await mend?.().catch(() => {})
  }
  const also = await others()
  return also === '' ? undefined : `also told: ${also}`
}
