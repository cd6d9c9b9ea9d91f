import { until } from '@reference/async'
import t from 'tap'
import { BodyBudget, heapBytesOf } from './body-budget.ts'
import { startProcess } from './testing/test-process.ts'
import { testServer } from './testing/test-server.ts'

const MB = 1024 * 1024
const objects = `{"a":[${'{},'.repeat((MB - 20) / 3).slice(0, -1)}]}`

const post = (url: string, body: string | ReadableStream, signal?: AbortSignal) =>
  fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
    duplex: 'half',
    ...(signal && { signal }),
  } as RequestInit)

t.test('bodies that are parsed into many objects do not end a process with a small heap', async (t) => {
  // As in production: 250 MB.
  const { url, child } = await startProcess(t, { NODE_OPTIONS: '--max-old-space-size=250' })
  const answers: Response[] = []
  const statuses = new Set<number>()
  // On a busy machine one may end before the next begins.
  for (let tries = 0; tries < 5 && !(statuses.has(200) && statuses.has(503)); tries++) {
    answers.push(...(await Promise.all(Array.from({ length: 12 }, () => post(`${url}/body`, objects)))))
    for (const { status } of answers) statuses.add(status)
  }
  t.ok(statuses.has(200), 'some are answered')
  t.ok(statuses.has(503), 'the others are refused')
  const refused = answers.find(({ status }) => status === 503)
  t.equal(refused?.headers.get('retry-after'), '1')
  t.match(await refused?.json(), { code: 'TOO_MANY_BODIES' })
  t.equal(child.exitCode, null)
  t.equal((await post(`${url}/body`, objects)).status, 200, 'one at a time is answered')
})

t.test('an announced length counts at once, and until the reply', async (t) => {
  let release = () => {}
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  const { app, url, port } = await testServer(t, { bodyBudgetBytes: 10_000 }, (app) => {
    app.post('/body', async () => held)
  })
  const text = JSON.stringify({ a: 'x'.repeat(3000) })
  const first = [post(`${url}/body`, text), post(`${url}/body`, text), post(`${url}/body`, text)]
  await until('three are in use', () => app.lifecycle.inFlight.size === 3)
  const late = await post(`${url}/body`, text)
  t.equal(late.status, 503)
  t.match(await late.json(), { code: 'TOO_MANY_BODIES' })
  release()
  for (const answer of await Promise.all(first)) t.equal(answer.status, 200)
  await until('they are over', () => app.lifecycle.inFlight.size === 0)
  t.equal((await post(`${url}/body`, text)).status, 200)
  t.ok(port > 0)
})

t.test('chunks count as they arrive', async (t) => {
  const { url } = await testServer(t, { bodyBudgetBytes: 10_000, bodyLimitBytes: 100_000 }, (app) => {
    app.post('/body', async ({ body }) => ({ length: JSON.stringify(body).length }))
  })
  const chunked = (bytes: number) =>
    new ReadableStream({
      start(controller) {
        const text = new TextEncoder().encode(JSON.stringify({ a: 'x'.repeat(bytes) }))
        for (let at = 0; at < text.length; at += 1000) controller.enqueue(text.subarray(at, at + 1000))
        controller.close()
      },
    })
  const small = await post(`${url}/body`, chunked(2000))
  t.same(await small.json(), { length: 2008 })
  const large = await post(`${url}/body`, chunked(20_000))
  t.equal(large.status, 413)
  t.match(await large.json(), { code: 'BODY_TOO_COMPLEX' })
  t.equal((await post(`${url}/body`, chunked(2000))).status, 200, 'nothing stays counted')
})

t.test('a client that leaves gives back what its body took', async (t) => {
  const { app, url } = await testServer(t, { bodyBudgetBytes: 10_000 }, (app) => {
    app.post('/body', async () => ({}))
  })
  const leave = new AbortController()
  const endless = new ReadableStream({
    start: (controller) => controller.enqueue(new TextEncoder().encode('x'.repeat(9000))),
  })
  const left = post(`${url}/body`, endless, leave.signal)
  left.catch(() => {})
  await until('it is in flight', () => app.lifecycle.inFlight.size === 1)
  const text = JSON.stringify({ a: 'x'.repeat(3000) })
  await until('it counts', async () => (await post(`${url}/body`, text)).status === 503)
  leave.abort()
  await until('it is gone', () => app.lifecycle.inFlight.size === 0)
  t.equal((await post(`${url}/body`, text)).status, 200)
})

t.test('the estimate of the heap covers its measurements', async (t) => {
  const fill = (unit: string) => Buffer.from(`{"a":[${unit.repeat(MB / unit.length).slice(0, -1)}]}`)
  // MB of heap for 1 MB of text, measured.
  for (const [unit, heapMb] of [
    ['{},', 21.4],
    ['[[[[]]]],', 23.1],
    ['[],', 13.3],
    ['{"a":1},', 5],
    ['"ab",', 1.6],
    ['1,', 4],
  ] as const) {
    const estimate = heapBytesOf(fill(unit)) / MB
    t.ok(estimate > heapMb * 0.9, `${unit} ${estimate} MB`)
  }
  t.equal(heapBytesOf(Buffer.from(JSON.stringify('x'.repeat(1000)))), 1002)
  t.ok(new BodyBudget().maxBytes > 8 * MB)
})
