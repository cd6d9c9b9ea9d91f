import { get } from 'node:http'
import { buffer } from 'node:stream/consumers'
import type { Request } from '../src/load/request.ts'

/** Replies by path: header names and values in the order in which they were sent, and the body in base64. */
export type RecordedReplies = Record<string, { readonly headers: readonly string[]; readonly body: string }>

/** Headers that `node:http` writes itself. */
const OF_THE_SERVER = new Set(['date', 'connection', 'keep-alive'])

/** Requests each path once and keeps its reply. @throws Error when a reply is not 200 */
export async function recordReplies(origin: string, requests: readonly Request[]): Promise<RecordedReplies> {
  const replies: RecordedReplies = {}
  for (const request of requests) {
    // The second reply: a cache may say in a header that the first one filled it.
    await replyTo(origin, request)
    replies[request.path] = await replyTo(origin, request)
  }
  return replies
}

async function replyTo(origin: string, { path, headers }: Request): Promise<RecordedReplies[string]> {
  const { promise, resolve, reject } = Promise.withResolvers<RecordedReplies[string]>()
  get(`${origin}${path}`, { headers: { ...headers } }, (reply) => {
    if (reply.statusCode !== 200) reject(new Error(`${path} answers ${reply.statusCode}`))
    const { rawHeaders } = reply
    const kept = rawHeaders.flatMap((name, i) =>
      i % 2 === 0 && !OF_THE_SERVER.has(name.toLowerCase()) ? [name, rawHeaders[i + 1] ?? ''] : [],
    )
    buffer(reply).then((body) => resolve({ headers: kept, body: body.toString('base64') }), reject)
  }).once('error', reject)
  return promise
}
