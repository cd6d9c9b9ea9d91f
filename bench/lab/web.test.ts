import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { Board } from './board.ts'
import { startWeb } from './web.ts'

interface Sent {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** Sends a request with any `host` header, which `fetch` does not. */
async function send(url: string, path: string, { method = 'GET', headers = {}, body }: Sent = {}) {
  const sent = request(new URL(path, url), { method, headers })
  sent.end(body)
  const [reply] = (await once(sent, 'response')) as [IncomingMessage]
  return { status: reply.statusCode, headers: reply.headers, body: await text(reply) }
}

const LOAD = { workload: 'users', callers: 8, ratePerSecond: 100, hitRatio: 0.5, writeShare: 0 }

t.test('the server of the lab', async (t) => {
  const board = new Board()
  const received: unknown[] = []
  const keep = (body: unknown) => received.push(body)
  const web = await startWeb({ port: 0, board, commands: { load: keep, settings: keep, fault: keep } })
  t.teardown(() => web.close())
  const { host, port } = new URL(web.url)
  const own = { origin: web.url, 'content-type': 'application/json' }
  const post = (headers: Record<string, string>, body: unknown = LOAD, path = '/commands/load') =>
    send(web.url, path, { method: 'POST', headers, body: JSON.stringify(body) })

  await t.test('answers only under its own names, so that DNS rebinding gains nothing', async (t) => {
    for (const name of ['evil.example', `evil.example:${port}`, '127.0.0.1', 'localhost']) {
      const reply = await send(web.url, '/', { headers: { host: name } })
      t.match(reply, { status: 421, headers: { 'content-type': 'application/problem+json' } }, name)
    }
    t.equal((await send(web.url, '/events', { headers: { host: 'evil.example' } })).status, 421)
    for (const name of [host, `localhost:${port}`])
      t.equal((await send(web.url, '/', { headers: { host: name } })).status, 200, name)
  })

  await t.test('refuses commands that another page could send', async (t) => {
    const { origin: _, ...withoutOrigin } = own
    t.equal((await post(withoutOrigin)).status, 403, 'without an origin')
    for (const origin of ['null', 'http://evil.example', `http://localhost:${port}`, `https://${host}`])
      t.equal((await post({ ...own, origin })).status, 403, origin)
    t.equal((await post({ ...own, host: `localhost:${port}` })).status, 403, 'of the other name')
    t.equal((await post({ ...own, 'content-type': 'text/plain' })).status, 415, 'as a form may send it')
    t.equal((await send(web.url, '/commands/load', { headers: own })).status, 405)
    t.same(received, [], 'none was carried out')
  })

  await t.test('carries out commands of its own page, and names what is wrong', async (t) => {
    t.equal((await post(own)).status, 204)
    t.equal((await post(own, { CACHE_L1: 'off' }, '/commands/settings')).status, 204)
    t.equal((await post(own, { name: 'redis' }, '/commands/fault')).status, 204)
    t.same(received, [LOAD, { CACHE_L1: 'off' }, { name: 'redis' }])
    const wrong: [body: unknown, path: string][] = [
      [{ ...LOAD, callers: 0 }, '/commands/load'],
      [{ ...LOAD, hitRatio: 2 }, '/commands/load'],
      [{ ...LOAD, more: 1 }, '/commands/load'],
      [{ cache: 'off' }, '/commands/settings'],
      [{ name: 'fire' }, '/commands/fault'],
      [[], '/commands/fault'],
    ]
    for (const [body, path] of wrong)
      t.match(await post(own, body, path), { status: 422, body: /"detail":"\w+/ }, JSON.stringify(body))
    t.equal((await post(own, LOAD, '/commands/other')).status, 404)
    t.equal((await post(own, { CACHE_L1: 'x'.repeat(20_000) }, '/commands/settings')).status, 413)
    const broken = await send(web.url, '/commands/load', { method: 'POST', headers: own, body: '{' })
    t.equal(broken.status, 400)
    t.equal(received.length, 3)
  })

  await t.test('serves the page, its script and uPlot, under a policy without other sources', async (t) => {
    const files = {
      '/': 'text/html',
      '/lab.js': 'text/javascript',
      '/lab.css': 'text/css',
      '/uPlot.js': 'text/javascript',
      '/uPlot.css': 'text/css',
      '/icon.svg': 'image/svg',
    }
    for (const [path, type] of Object.entries(files)) {
      const { status, headers, body } = await send(web.url, path)
      t.match({ status, type: headers['content-type'] }, { status: 200, type: new RegExp(type) }, path)
      t.match(headers['content-security-policy'], /default-src 'none'; script-src 'self';/)
      t.ok(body.length > 100, path)
    }
    t.equal((await send(web.url, '/../web.ts')).status, 404)
    t.equal((await send(web.url, '/page/lab.js')).status, 404)
  })

  await t.test('streams the state and the history to a new page, then each event', async (t) => {
    const sent = request(new URL('/events', web.url)).end()
    const [reply] = (await once(sent, 'response')) as [IncomingMessage]
    let stream = ''
    const until = async (part: RegExp) => {
      while (!part.test(stream)) stream += String((await once(reply, 'data'))[0])
    }
    await until(/event: state\ndata: .*"phase":"starting"/)
    t.match(stream, /event: history\ndata: \[\]/)
    board.update({ phase: 'warming', message: 'Warming up: 3 %' })
    await until(/"message":"Warming up: 3 %"/)
    t.pass('the change has arrived')
    sent.destroy()
  })

  await t.test('names the remedy when its port is taken', async (t) => {
    const second = startWeb({
      port: Number(port),
      board,
      commands: { load: keep, settings: keep, fault: keep },
    })
    await t.rejects(second, {
      message: new RegExp(`Port ${port} .* type: pnpm lab --port ${Number(port) + 1}`),
    })
  })
})
