import { once } from 'node:events'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { type App, createServer, IdParams } from '@reference/http'
import { type TestScope, testDatabase } from '@reference/local-stack'
import type { FastifyReply } from 'fastify'
import t from 'tap'
import { Type } from 'typebox'
import { growthFaults, settledVitals } from '../testing/growth.ts'
import { startObserved } from '../testing/vitals.ts'
import { runCampaign } from './campaign.ts'
import { type Api, readApi } from './openapi.ts'
import { runRawCampaign } from './raw-campaign.ts'
import { requestOf } from './requests.ts'
import { type Target, Wires } from './wire.ts'

// Each test plants a fault, which the fuzz has to find and to shrink: a fuzz that finds nothing may be one that looks at nothing.

const SEED = 7
const MOST_REQUESTS = 20_000
const TOKENS = { valid: 'token', others: [''] }

const Thing = Type.Object({ id: Type.Integer(), name: Type.String() }, { additionalProperties: false })
const NewThing = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 200 }),
    quantity: Type.Integer({ minimum: 1, maximum: 1000 }),
  },
  { additionalProperties: false },
)

/** A service of two correct operations; `plant` puts the fault into the answer. */
async function startThings(
  t: TestScope,
  plant: Plant,
  routes: (app: App) => void = () => {},
): Promise<Target & { api: Api }> {
  const app = await createServer({ service: 'things', version: '1', logLevel: 'silent' })
  app.get(
    '/things/:id',
    { schema: { params: IdParams, response: { 200: Thing } } },
    async ({ params }, reply) => {
      const planted =
        reply.request.method === 'GET' && plant.read?.(params.id, reply as unknown as FastifyReply)
      return (planted || { id: params.id, name: 'thing' }) as { id: number; name: string }
    },
  )
  app.post('/things', { schema: { body: NewThing, response: { 201: Thing } } }, async ({ body }, reply) => {
    plant.write?.(body)
    return reply.code(201).header('location', '/things/1').send({ id: 1, name: body.name })
  })
  routes(app)
  const origin = await app.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(() => app.close())
  return { host: '127.0.0.1', port: Number(new URL(origin).port), api: await readApi(origin) }
}

interface Plant {
  read?(id: number, reply: FastifyReply): unknown
  write?(body: { name: string; quantity: number }): void
}

async function failureOf(target: Target & { api: Api }, twin?: Target): Promise<string> {
  const requests = requestOf(target.api.operations, TOKENS)
  const options = {
    settleMs: 50,
    target,
    api: target.api,
    requests,
    count: MOST_REQUESTS,
    seed: SEED,
    ...(twin && { twin }),
  }
  return (await runCampaign(options)).failure ?? ''
}

/** The requests that a failure prints. */
const commandsOf = (failure: string) => failure.split('\n').filter((line) => line.startsWith('printf '))

/** A reply as bytes on the socket, past everything that would make it correct. */
function sendRaw(reply: FastifyReply, text: string, { end = false } = {}): FastifyReply {
  reply.hijack()
  const { socket } = reply.raw
  if (end) socket?.end(text)
  else socket?.write(text)
  return reply
}

const HEAD = 'HTTP/1.1 200 OK\r\nx-request-id: 1\r\ncontent-type: application/json\r\n'

t.test('without a fault there is none', async (t) => {
  const target = await startThings(t, {})
  const requests = requestOf(target.api.operations, TOKENS)
  const { summary, failure } = await runCampaign({
    target,
    api: target.api,
    requests,
    count: 1000,
    seed: SEED,
  })
  t.equal(failure, undefined)
  t.ok(summary.requests >= 1000)
  for (const label of [
    'GET /things/{id} 200',
    'GET /things/{id} 400',
    'POST /things 201',
    'POST /things 400',
  ]) {
    t.ok((summary.answers.get(label) ?? 0) > 0, label)
  }
})

t.test('a handler that throws on one value is found, and shrunk to a single small request', async (t) => {
  const target = await startThings(t, {
    write({ quantity }) {
      if (quantity >= 1000) throw new TypeError('the planted fault')
    },
  })
  const failure = await failureOf(target)
  t.match(failure, /^answered 500/)
  t.notMatch(failure, 'the planted fault', 'the message of a 5xx does not leave the service')
  const [command = '', ...others] = commandsOf(failure)
  t.same(others, [])
  t.match(command, /^printf 'POST \/things HTTP\/1\.1.*"quantity":1000\}' \| nc 127\.0\.0\.1 \d+$/)
  t.ok(command.length < 250, command)
  t.match(failure, /FUZZ_SEED=\d+, found after \d+ requests and shrunk \d+ times/)
})

t.test('each other fault of a reply is found', async (t) => {
  let count = 0
  const plants: Record<string, [Plant['read'], RegExp]> = {
    'a body that breaks its schema': [
      (id, reply) =>
        id % 10 === 0
          ? reply.type('application/json; charset=utf-8').send(Buffer.from('{"id":"ten"}'))
          : undefined,
      /the 200 breaks its schema/,
    ],
    'a status that the document does not name': [
      (_id, reply) => reply.code(206).send({ id: 1, name: 'x' }),
      /does not name 206/,
    ],
    'a media type that the document does not name': [
      (_id, reply) => reply.type('text/html').send('<p>'),
      /has no text\/html/,
    ],
    'a problem that shows the inside': [
      () => {
        throw Object.assign(new Error('at node_modules/x.js'), { statusCode: 400 })
      },
      /internals/,
    ],
    'a 503 without retry-after': [
      () => {
        throw Object.assign(new Error('x'), { statusCode: 503 })
      },
      /^a 503 without retry-after/,
    ],
    'an answer that differs each time': [() => ({ id: 1, name: `${count++}` }), /answered differently/],
    'a length that is too short': [
      (_id, reply) => sendRaw(reply, `${HEAD}content-length: 23\r\n\r\n{"id":1,"name":"thing"}}`),
      /bytes after a reply/,
    ],
    'two lengths': [
      (_id, reply) => sendRaw(reply, `${HEAD}content-length: 2\r\ncontent-length: 2\r\n\r\n{}`),
      /more than one header content-length/,
    ],
    'a connection that closes unannounced': [
      (_id, reply) =>
        sendRaw(reply, `${HEAD}content-length: 22\r\n\r\n{"id":1,"name":"thing"}`.replace('22', '23'), {
          end: true,
        }),
      /closed a connection unannounced, after/,
    ],
    'a reply that is cut': [
      (_id, reply) => sendRaw(reply, `${HEAD}content-length: 50\r\n\r\n{}`, { end: true }),
      /ended inside the body/,
    ],
  }
  for (const [name, [read, expected]] of Object.entries(plants)) {
    const failure = await failureOf(await startThings(t, { ...(read && { read }) }))
    t.match(failure, expected, name)
    t.equal(commandsOf(failure).length, 1, `${name}: one request\n${failure}`)
  }
})

t.test('a twin with another answer is found', async (t) => {
  const target = await startThings(t, {})
  const twin = await startThings(t, { read: (id) => (id > 500 ? { id, name: 'other' } : undefined) })
  t.match(await failureOf(target, twin), /hot routes change the answer/)
})

t.test('a server that answers bytes inside a body is found', async (t) => {
  const { api } = await startThings(t, {})
  const server = createTcpServer((socket) => {
    socket.on('error', () => {})
    socket.setEncoding('latin1').on('data', (text: string) => {
      for (const [, id = '1'] of text.matchAll(
        /HTTP\/1\.1\r\n(?:(?!\r\n\r\n)[\s\S])*?x-request-id: ([\w-]+)/gi,
      )) {
        socket.write(`HTTP/1.1 200 OK\r\nx-request-id: ${id}\r\ncontent-length: 0\r\n\r\n`)
      }
      if (text.endsWith('connection: close\r\n\r\n')) socket.end()
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const target = { host: '127.0.0.1', port: (server.address() as AddressInfo).port }
  const { failure } = await runRawCampaign({ target, api, count: MOST_REQUESTS, seed: SEED })
  t.match(
    failure,
    /a reply to bytes inside a body|replies are not in the order|replies to \d+ valid requests/,
  )
})

t.test('a process that keeps memory and files of each request is found', async (t) => {
  const { url } = await testDatabase(t)
  const imports = [fileURLToPath(new URL('../testing/leak-process.ts', import.meta.url))]
  const service = startObserved(t, 'reference-api', { DATABASE_URL: url }, { imports })
  const target = { host: '127.0.0.1', port: Number(new URL(await service.listening()).port) }
  const before = await settledVitals(service)
  const wires = new Wires(target)
  for (let sent = 0; sent < 800; sent++)
    await wires.exchange('GET /health HTTP/1.1\r\nhost: test\r\n\r\n', 'GET')
  wires.close()
  t.match(growthFaults(before, await settledVitals(service)), [/^heapBytes grew/, /^files grew/])
})
