import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib'
import t from 'tap'
import { type App, compressStored, negotiate, type Stored, sendStored } from './index.ts'
import { testServer } from './test-server.ts'

t.test('an encoding is chosen by quality, then by size', async (t) => {
  const cases: [string | undefined, string][] = [
    [undefined, 'identity'],
    ['', 'identity'],
    ['identity', 'identity'],
    ['deflate', 'identity'],
    ['gzip', 'gzip'],
    ['x-gzip', 'gzip'],
    ['GZIP', 'gzip'],
    ['gzip, deflate, br', 'br'],
    ['gzip, deflate, br, zstd', 'zstd'],
    ['gzip;q=1.0, br;q=0.5', 'gzip'],
    ['br;q=0.1, gzip;q=0.2, zstd;q=0.15', 'gzip'],
    ['gzip;q=0', 'identity'],
    ['br;q=0, gzip', 'gzip'],
    ['*', 'zstd'],
    ['*;q=0.5, gzip', 'gzip'],
    ['zstd;q=0, *', 'br'],
    ['*;q=0', 'identity'],
    ['identity;q=1, gzip;q=0.5', 'identity'],
    ['identity;q=0.5, gzip;q=1', 'gzip'],
    ['gzip ; q=0.8 , br ; q=0.9', 'br'],
    ['gzip;q=2', 'identity'],
    ['gzip;q=abc, br', 'br'],
    [', ,gzip,', 'gzip'],
  ]
  for (const [header, expected] of cases) t.equal(negotiate(header), expected, String(header))
  t.equal(negotiate('gzip, br, zstd', ['gzip', 'identity']), 'gzip', 'of what there is')
  t.equal(negotiate('br', ['gzip']), 'identity')
})

t.test('a reply is compressed once, in the forms that are worth it', async (t) => {
  const bytes = Buffer.from(
    JSON.stringify(Array.from({ length: 100 }, (_, id) => ({ id, name: `user ${id}` }))),
  )
  const stored = await compressStored(bytes)
  t.ok(stored.gzip && gunzipSync(stored.gzip).equals(bytes))
  t.ok(stored.br && brotliDecompressSync(stored.br).equals(bytes))
  t.ok(stored.zstd && zstdDecompressSync(stored.zstd).equals(bytes))
  t.same(Object.keys(await compressStored(bytes, ['gzip'])), ['identity', 'gzip'])
  t.same(Object.keys(await compressStored(bytes.subarray(0, 999))), ['identity'], 'below 1,000 bytes')
  t.same(Object.keys(await compressStored(stored.zstd ?? bytes)), ['identity'], 'what no longer shrinks')
})

t.test('a stored reply is sent in the form that the caller accepts', async (t) => {
  const bytes = Buffer.from(JSON.stringify({ items: 'x'.repeat(5000) }))
  const stored = await compressStored(bytes)
  const { get } = await testServer(t, {}, storedRoute(stored))
  for (const encoding of ['gzip', 'br', 'zstd'] as const) {
    const response = await get('/page', { 'accept-encoding': encoding })
    t.equal(response.headers.get('content-encoding'), encoding)
    t.equal(response.headers.get('vary'), 'accept-encoding')
    t.equal(Number(response.headers.get('content-length')), stored[encoding]?.length)
    t.equal(await response.text(), String(bytes))
  }
  const plain = await get('/page', { 'accept-encoding': 'identity' })
  t.equal(plain.headers.get('content-encoding'), null)
  t.equal(plain.headers.get('vary'), 'accept-encoding')
  t.equal(await plain.text(), String(bytes))
})

function storedRoute(stored: Stored) {
  return (app: App) => {
    app.get('/page', (_request, reply) => {
      sendStored(reply.type('application/json'), stored)
    })
  }
}
