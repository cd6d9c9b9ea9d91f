import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CommandError, holderOfPort } from '@reference/cli'
import { BenchError } from '../src/errors.ts'
import type { Board } from './board.ts'
import { type CommandBody, type CommandName, checkCommand, isCommandName } from './protocol.ts'

/** Carry out the commands of the page, or throw a BenchError. */
export type Commands = { readonly [Name in CommandName]: (body: CommandBody<Name>) => void }

interface WebOptions {
  /** 0 takes a free one. */
  readonly port: number
  readonly board: Board
  readonly commands: Commands
}

export interface Web {
  readonly url: string
  close(): Promise<void>
}

const ofPage = (file: string) => join(import.meta.dirname, 'page', file)

const FILES: Readonly<Record<string, readonly [file: string, type: string]>> = {
  '/': [ofPage('index.html'), 'text/html; charset=utf-8'],
  '/lab.css': [ofPage('lab.css'), 'text/css; charset=utf-8'],
  '/lab.js': [ofPage('lab.js'), 'text/javascript; charset=utf-8'],
  '/icon.svg': [ofPage('icon.svg'), 'image/svg+xml'],
  '/uPlot.js': [
    fileURLToPath(import.meta.resolve('uplot/dist/uPlot.esm.js')),
    'text/javascript; charset=utf-8',
  ],
  '/uPlot.css': [fileURLToPath(import.meta.resolve('uplot/dist/uPlot.min.css')), 'text/css; charset=utf-8'],
}
const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
} as const
const BODY_LIMIT_BYTES = 16 * 1024
const KEEP_ALIVE_MS = 15_000

/** A reply with another status than 200. */
class Refusal extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/**
 * The server of the page, on 127.0.0.1: files, the event stream, and commands.
 *
 * A page of another site must neither read nor command the lab. A name that leads to 127.0.0.1 (DNS rebinding) would make it the same
 * origin for a browser, so only the address itself and `localhost` are accepted as a host. A command needs the page's own origin.
 */
export async function startWeb({ port, board, commands }: WebOptions): Promise<Web> {
  const streams = new Set<ServerResponse>()
  const server = createServer((request, response) => {
    handle(request, response, { board, commands, streams }).catch((error: unknown) => refuse(response, error))
  })
  await listen(server, port)
  const address = server.address()
  const actual = typeof address === 'object' ? address?.port : port
  return {
    url: `http://127.0.0.1:${actual}`,
    async close() {
      for (const stream of streams) stream.end()
      const closed = once(server, 'close')
      server.close()
      server.closeIdleConnections()
      // The end of the event streams reaches their pages first.
      setTimeout(() => server.closeAllConnections(), 200).unref()
      await closed
    },
  }
}

async function listen(server: Server, port: number): Promise<void> {
  try {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    throw new CommandError(
      `Port ${port} of 127.0.0.1 is taken: ${holderOfPort(port) ?? 'another process'} listens there. To use another one, type: pnpm lab --port ${port + 1}`,
    )
  }
}

interface Context extends Pick<WebOptions, 'board' | 'commands'> {
  readonly streams: Set<ServerResponse>
}

async function handle(request: IncomingMessage, response: ServerResponse, context: Context): Promise<void> {
  checkHost(request)
  const { pathname } = new URL(request.url ?? '/', 'http://lab')
  const command = /^\/commands\/([a-z]+)$/.exec(pathname)?.[1]
  if (command !== undefined && isCommandName(command)) {
    checkMethod(request, ['POST'])
    checkOrigin(request)
    execute(command, await readJson(request), context.commands)
    response.writeHead(204, HEADERS).end()
    return
  }
  const file = FILES[pathname]
  if (file === undefined && pathname !== '/events') throw new Refusal(404, `There is no ${pathname}`)
  checkMethod(request, ['GET', 'HEAD'])
  if (file === undefined) openStream(response, context)
  else {
    const [path, type] = file
    response.writeHead(200, { ...HEADERS, 'content-type': type }).end(await readFile(path))
  }
}

function execute<Name extends CommandName>(name: Name, body: unknown, commands: Commands): void {
  commands[name](checkCommand(name, body))
}

function checkHost({ headers, socket }: IncomingMessage): void {
  const names = ['127.0.0.1', 'localhost'].map((name) => `${name}:${socket.localPort}`)
  if (!names.includes(headers.host ?? ''))
    throw new Refusal(421, `This server answers only as ${names.join(' and ')}`)
}

function checkMethod({ method = '' }: IncomingMessage, allowed: readonly string[]): void {
  if (!allowed.includes(method)) throw new Refusal(405, `${method} is not one of ${allowed.join(', ')}`)
}

/** Each browser sends the origin with a POST. */
function checkOrigin({ headers }: IncomingMessage): void {
  if (headers.origin !== `http://${headers.host}`)
    throw new Refusal(403, 'A command must come from the page of this server')
  if (!/^application\/json\b/.test(headers['content-type'] ?? ''))
    throw new Refusal(415, 'A command is application/json')
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > BODY_LIMIT_BYTES) throw new Refusal(413, `A command has ${BODY_LIMIT_BYTES} bytes at most`)
    chunks.push(chunk)
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch {
    throw new Refusal(400, 'The body is no JSON')
  }
}

function openStream(response: ServerResponse, { board, streams }: Context): void {
  response.writeHead(200, { ...HEADERS, 'content-type': 'text/event-stream' })
  streams.add(response)
  const unsubscribe = board.subscribe(({ type, data }) => {
    response.write(`event: ${type}\ndata: ${JSON.stringify(data)}\n\n`)
  })
  // A connection whose reader has gone without a word is noticed by writing to it.
  const timer = setInterval(() => response.write(': keep-alive\n\n'), KEEP_ALIVE_MS)
  response.on('close', () => {
    clearInterval(timer)
    unsubscribe()
    streams.delete(response)
  })
}

/** An error as RFC 9457 problem details. */
function refuse(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy()
    return
  }
  const isKnown = error instanceof Refusal || error instanceof BenchError
  const status = error instanceof Refusal ? error.status : isKnown ? 422 : 500
  const detail = isKnown ? error.message : 'The lab has a fault; its terminal shows it'
  if (!isKnown) process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
  const body = JSON.stringify({ type: 'about:blank', status, detail })
  response.writeHead(status, { ...HEADERS, 'content-type': 'application/problem+json' }).end(body)
}
