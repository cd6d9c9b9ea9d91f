import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '@reference/async'
import { type ExpectedAlert, type Fault, UNCOUNTED } from './faults.ts'
import type { Observed, Received } from './stack.ts'

const ARRIVES_MS = 120_000
const ENDS_MS = 240_000
/** Other alerts of the fault would fire within this time: the longest `for` is 20 s here, followed by two evaluations. */
const OTHERS_MS = 15_000

const POLLING = { intervalMs: 1_000, retryErrors: true }

/** Whether no counted alert fires or is pending. Otherwise effects of one fault would be attributed to the next. */
export async function quiet(stack: Observed): Promise<boolean> {
  return (await stack.query(`ALERTS{alertname!~"${UNCOUNTED.join('|')}"}`)).length === 0
}

async function noAlert(stack: Observed): Promise<void> {
  await until('no alert fires', () => quiet(stack), { ...POLLING, timeoutMs: ENDS_MS })
}

/**
 * Causes a fault, waits for its alerts at the webhook, ends the fault, and waits until the alerts are resolved.
 *
 * @returns a description of an alert that did not fire or resolve, or of an unexpected alert; undefined if there was none
 */
export async function checkFault(stack: Observed, fault: Fault): Promise<string | undefined> {
  const { alerts, alsoAllowed = [], cause } = fault
  // Wait twice: requests that waited during the previous fault may fail, and cause an alert, some time after its end.
  await noAlert(stack)
  await sleep(OTHERS_MS)
  await noAlert(stack)
  const before = (await stack.received()).length
  const received = async () => (await stack.received()).slice(before)
  const has = (all: Received[], { name, labels = {}, summary = /./ }: ExpectedAlert, status: string) =>
    all.some(
      (one) =>
        one.name === name &&
        one.status === status &&
        // A resolved alert carries the summary of its last evaluation.
        (status === 'resolved' || summary.test(one.summary)) &&
        Object.entries(labels).every(([label, value]) => one.labels[label] === value),
    )
  const wait = (alert: ExpectedAlert, status: string, timeoutMs: number) =>
    until(`${alert.name} ${status}`, async () => has(await received(), alert, status), {
      ...POLLING,
      timeoutMs,
    })

  const expected = [...alerts.map(({ name }) => name), ...alsoAllowed, ...UNCOUNTED]
  const others = async () =>
    [
      ...new Set(
        (await received())
          .filter(({ name }) => !expected.includes(name))
          .map(({ labels }) => JSON.stringify(labels)),
      ),
    ].join(' ')
  let endFault: (() => Promise<unknown>) | undefined
  try {
    endFault = await cause(stack)
    for (const alert of alerts) await wait(alert, 'firing', ARRIVES_MS)
    await sleep(OTHERS_MS)
    await endFault()
    endFault = undefined
    for (const alert of alerts) await wait(alert, 'resolved', ENDS_MS)
  } catch (error) {
    const names = (await received()).map(
      ({ status, labels, summary }) => `${status} ${JSON.stringify(labels)} ${summary}`,
    )
    return `${(error as Error).message}; received: ${[...new Set(names)].join(', ')}`
  } finally {
    await endFault?.().catch(() => {})
  }
  const also = await others()
  return also === '' ? undefined : `also received: ${also}`
}
