/**
 * The floor of a path: `node:http` that sends the bytes which a service sent before, and does nothing else.
 *
 * Settings: `PORT`, and `REPLIES`, a file of recorded replies.
 */
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { RecordedReplies } from './recorded-replies.ts'

const recorded = JSON.parse(readFileSync(process.env.REPLIES ?? '', 'utf8')) as RecordedReplies
// A string is sent in one write together with the head, a Buffer in a second one.
const replies = new Map(
  Object.entries(recorded).map(([path, { headers, body }]) => [
    path,
    { headers: [...headers], body: Buffer.from(body, 'base64').toString('latin1') },
  ]),
)

createServer({ keepAliveTimeout: 65_000 }, ({ url = '' }, response) => {
  const reply = replies.get(url)
  if (reply === undefined) response.writeHead(404).end()
  else response.writeHead(200, reply.headers).end(reply.body, 'latin1')
}).listen(Number(process.env.PORT), '127.0.0.1')
