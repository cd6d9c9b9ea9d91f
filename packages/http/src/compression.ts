import { constants } from 'node:zlib'
import compress from '@fastify/compress'
import { COMPRESS_FROM_BYTES } from './stored.ts'
import type { App } from './types.ts'

/** Compresses replies on their way out; those that carry a `content-encoding` already are left as they are. */
export async function addCompression(app: App): Promise<void> {
  await app.register(compress, {
    globalDecompression: false,
    threshold: COMPRESS_FROM_BYTES,
    encodings: ['br', 'gzip'],
    brotliOptions: { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } },
    zlibOptions: { level: 1 },
  })
}
