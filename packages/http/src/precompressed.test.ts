import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib'
import t from 'tap'
import { negotiate, precompress } from './index.ts'

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
  t.equal(negotiate('gzip, br, zstd', ['gzip', 'identity']), 'gzip', 'among the available encodings')
  t.equal(negotiate('br', ['gzip']), 'identity')
})

t.test('a reply is compressed in each form that is smaller', async (t) => {
  const bytes = Buffer.from(
    JSON.stringify(Array.from({ length: 100 }, (_, id) => ({ id, name: `user ${id}` }))),
  )
  const forms = await precompress(bytes)
  t.ok(forms.gzip && gunzipSync(forms.gzip).equals(bytes))
  t.ok(forms.br && brotliDecompressSync(forms.br).equals(bytes))
  t.ok(forms.zstd && zstdDecompressSync(forms.zstd).equals(bytes))
  t.same(Object.keys(await precompress(bytes, ['gzip'])), ['identity', 'gzip'])
  t.same(Object.keys(await precompress(bytes.subarray(0, 999))), ['identity'], 'below 1,000 bytes')
  t.same(Object.keys(await precompress(forms.zstd ?? bytes)), ['identity'], 'bytes that do not shrink')
})
