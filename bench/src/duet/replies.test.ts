import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { checkSameReplies, differenceOfJson } from './replies.ts'

t.test('JSON is compared as values', async (t) => {
  t.equal(differenceOfJson('{"a":1,"b":[1,2]}', '{ "b": [1, 2.0], "a": 1e0 }'), undefined)
  t.equal(differenceOfJson('{"a":"\\u00e9"}', '{"a":"é"}'), undefined)
  t.equal(differenceOfJson('{"a":{"b":[1,2]}}', '{"a":{"b":[2,1]}}'), '$.a.b.0 is 2 instead of 1')
  t.equal(differenceOfJson('{"a":1}', '{"a":"1"}'), '$.a is "1" instead of 1')
  t.equal(differenceOfJson('{"a":null}', '{}'), '$.a is absent instead of null')
  t.equal(differenceOfJson('{}', '{"a":1}'), '$.a is 1 instead of absent')
  t.equal(differenceOfJson('[]', '{}'), '$ is {} instead of []')
  t.match(differenceOfJson('{}', '<html>'), /not JSON/)
})

/** A server that answers each path with the text of the table. */
async function serve(
  t: { teardown(undo: () => void): void },
  name: string,
  replies: Readonly<Record<string, string>>,
): Promise<{ name: string; origin: string }> {
  const server = createServer(({ url = '' }, response) => {
    const text = replies[url]
    response.writeHead(text === undefined ? 404 : 200).end(text)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { name, origin }
}

t.test('servers that answer differently are refused, with the place of the difference', async (t) => {
  const ours = await serve(t, 'ours', { '/a': '{"id":1,"x":2}', '/b': '{"id":2}' })
  const same = await serve(t, 'same', { '/a': '{"x":2,"id":1}', '/b': '{"id":2}' })
  const other = await serve(t, 'other', { '/a': '{"id":1,"x":2}', '/b': '{"id":3}' })
  const partial = await serve(t, 'partial', { '/a': '{"id":1,"x":2}' })
  const requests = [{ path: '/a' }, { path: '/b' }]
  await checkSameReplies([ours, same], requests)
  await t.rejects(checkSameReplies([ours, same], requests, true), /\/a: same answers other than ours/)
  await t.rejects(checkSameReplies([ours, same, other], requests), {
    code: 'UNPROVEN',
    message: '/b: other answers other than ours: $.id is 3 instead of 2',
  })
  await t.rejects(checkSameReplies([ours, partial], requests), /\/b: partial answers 404/)
})
