import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/**
 * Started by invalidations.ts: opens tracking links as `src/tracking.ts` does, one for each process of a fleet, without the
 * rest of the process. Its parent sends `pings` or `quiet`, and `heard` for the counts of the first link.
 */
const [port = 0, links = 0, pingMs = 40] = process.argv.slice(2).map(Number)

const line = (...words: string[]) =>
  `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`
const PING = Buffer.from(line('PING'))
const MESSAGE = '__redis__:invalidate'

const heard = { messages: 0, bytes: 0 }

async function open(): Promise<Socket> {
  const socket = connect(port, '127.0.0.1').setNoDelay()
  socket.write(line('CLIENT', 'ID'))
  const [reply] = (await once(socket, 'data')) as [Buffer]
  const id = reply.toString().slice(1).trim()
  socket.write(line('CLIENT', 'TRACKING', 'ON', 'REDIRECT', id, 'BCAST', 'PREFIX', 'c:'))
  await once(socket, 'data')
  socket.write(line('SUBSCRIBE', MESSAGE))
  await once(socket, 'data')
  return socket
}

const sockets: Socket[] = []
while (sockets.length < links) {
  const more = Math.min(50, links - sockets.length)
  sockets.push(...(await Promise.all(Array.from({ length: more }, open))))
}
for (const [index, socket] of sockets.entries()) {
  if (index === 0) {
    socket.on('data', (chunk) => {
      const text = chunk.toString('latin1')
      heard.bytes += chunk.length
      heard.messages += text.split(MESSAGE).length - 1
    })
  } else socket.resume()
}

// Spread over the interval, like the PINGs of a fleet.
let turn = 0
let pings: NodeJS.Timeout | undefined
function pingSome() {
  for (let index = turn; index < sockets.length; index += pingMs) sockets[index]?.write(PING)
  turn = (turn + 1) % pingMs
}

process.on('message', (word) => {
  if (word === 'pings') pings ??= setInterval(pingSome, 1)
  if (word === 'quiet') {
    clearInterval(pings)
    pings = undefined
  }
  if (word === 'heard') process.send?.(heard)
})
process.on('disconnect', () => process.exit())
process.send?.('open')
