import t from 'tap'
import { checkIfMatch, etagOf, hotRow, IdParams, sendCached, shortReply } from './index.ts'
import { testServer } from './testing/test-server.ts'
import type { App } from './types.ts'

/** Rows in memory; each read of `get` and `getSync` counts. */
function routesOf(rows: Map<number, string>) {
  const bytesOf = (id: number) => {
    const json = rows.get(id)
    return json === undefined ? undefined : Buffer.from(json)
  }
  const replies = {
    getSync: (id: number) => ({ bytes: bytesOf(id), from: 'l1' }),
    get: async (id: number) => ({ bytes: bytesOf(id), from: 'l1' }),
    getText: (id: number) => bytesOf(id)?.toString('latin1'),
  }
  return (app: App) => {
    app.get(
      '/rows/:id',
      { ...shortReply, config: hotRow(replies), schema: { params: IdParams } },
      (request, reply) =>
        sendCached(reply, replies, request.params.id, () =>
          Object.assign(new Error('There is no such row'), { statusCode: 404 }),
        ),
    )
  }
}

t.test('a request with if-none-match gets the etag, then 304 until the row changes', async (t) => {
  const rows = new Map([[1, '{"id":1,"name":"Zoë"}']])
  const { get } = await testServer(t, {}, routesOf(rows))
  const first = await get('/rows/1', { 'if-none-match': '""' })
  t.equal(first.status, 200)
  const etag = first.headers.get('etag') ?? ''
  t.match(etag, /^"[\w-]{22}"$/, 'strong')
  t.same(await first.json(), { id: 1, name: 'Zoë' })

  const known = await get('/rows/1', { 'if-none-match': etag })
  t.equal(known.status, 304)
  t.equal(await known.text(), '')
  t.equal(known.headers.get('etag'), etag)
  t.equal(known.headers.get('x-cache'), 'l1')
  t.equal(known.headers.get('content-type'), null)

  rows.set(1, '{"id":1,"name":"Zoe"}')
  const changed = await get('/rows/1', { 'if-none-match': etag })
  t.equal(changed.status, 200)
  t.not(changed.headers.get('etag'), etag)
})

t.test('if-none-match may be a list, weak, or any', async (t) => {
  const { get } = await testServer(t, {}, routesOf(new Map([[1, '{"id":1}']])))
  const etag = etagOf('{"id":1}')
  const status = async (value: string) => (await get('/rows/1', { 'if-none-match': value })).status
  for (const value of [etag, `W/${etag}`, `"a", ${etag}`, `"a,b",W/${etag} , "c"`, '*', ' * '])
    t.equal(await status(value), 304, value)
  for (const value of [
    '"a"',
    etag.slice(1, -1),
    `${etag.slice(0, -1)}x"`,
    '"*"',
    '',
    `x${etag}`.slice(0, -1),
  ])
    t.equal(await status(value), 200, value)
})

t.test('an absent row is 404 whatever the client has', async (t) => {
  const { get } = await testServer(t, {}, routesOf(new Map()))
  for (const value of ['*', etagOf('{}')])
    t.equal((await get('/rows/1', { 'if-none-match': value })).status, 404)
})

t.test('without if-none-match there is no etag, hot or not', async (t) => {
  for (const fastPath of [true, false]) {
    const { get } = await testServer(t, { fastPath }, routesOf(new Map([[1, '{"id":1}']])))
    t.equal((await get('/rows/1')).headers.get('etag'), null)
  }
})

t.test('the tag of a row that may be compressed is weak', async (t) => {
  t.match(etagOf('x'.repeat(999)), /^"/)
  t.match(etagOf('x'.repeat(1000)), /^W\/"/)
  t.equal(etagOf('ä'), etagOf(Buffer.from('ä')))
})

t.test('a change is refused unless its if-match names the present row', async (t) => {
  const row = { id: 1, name: 'Ada' }
  const tag = etagOf(JSON.stringify(row))
  const check = (value?: string) => () =>
    checkIfMatch({ headers: value === undefined ? {} : { 'if-match': value } }, row)
  for (const value of [undefined, '*', tag, `"a", ${tag}`]) t.doesNotThrow(check(value), String(value))
  for (const value of ['"a"', '', tag.slice(1, -1)])
    t.throws(check(value), { statusCode: 412, code: 'ROW_CHANGED', errors: [{ field: 'if-match' }] }, value)
})
