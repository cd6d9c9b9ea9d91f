import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { root } from '../tap.ts'
import { apiOf, PROBLEM } from './openapi.ts'
import { failureFaults, REFUSALS } from './refusals.ts'
import type { Reply } from './replies.ts'

const problem = { [PROBLEM]: { schema: {} } }
const { operations } = apiOf({
  paths: {
    '/health': { get: { responses: { 200: {} } } },
    '/users/{id}': { get: { responses: { 200: {} } } },
    '/users': { post: { requestBody: { content: { 'application/json': { schema: {} } } } } },
    '/aggregate': { get: { responses: { 200: {}, 504: { content: problem } } } },
    '/report': { get: { responses: { 200: {} } } },
  },
})

function faultsOf(
  path: string,
  [status, code]: [status: number, code: string],
  { retryAfter = true, throughNginx = false, method = '' } = {},
): string[] {
  const operation = operations.find((each) => each.path === path)
  const headers = new Map([
    ['content-type', [PROBLEM]],
    ...(retryAfter ? [['retry-after', ['1']] as const] : []),
  ])
  const reply: Reply = { status, headers, body: Buffer.alloc(0), closes: false }
  const text = method === 'HEAD' ? '' : JSON.stringify({ status, code, instance: path })
  return failureFaults(
    reply,
    { operation, method: method || (operation?.method ?? 'GET'), text },
    { throughNginx },
  )
}

t.test(
  'a refusal is accepted only for the calls that may get it, and a 503 only with retry-after',
  async (t) => {
    const accepted: Parameters<typeof faultsOf>[] = [
      ['/users/{id}', [503, 'OVERLOADED']],
      ['/users/{id}', [503, 'OVERLOADED'], { method: 'HEAD' }],
      ['/users/{id}', [503, 'DB_POOL_TIMEOUT']],
      ['/users', [503, 'KEY_SET_UNAVAILABLE']],
      ['/users', [503, 'TOO_MANY_BODIES']],
      ['/report', [503, 'WORKER_QUEUE_FULL']],
      ['/aggregate', [504, 'UPSTREAM_TIMED_OUT']],
      ['/a-path-of-a-raw-request', [503, 'OVERLOADED']],
      ['/users/{id}', [504, 'GATEWAY_TIMEOUT'], { throughNginx: true }],
    ]
    for (const call of accepted) t.same(faultsOf(...call), [], call.flat().join(' '))
    const faulty: Parameters<typeof faultsOf>[] = [
      ['/health', [503, 'OVERLOADED']],
      ['/health', [503, 'OVERLOADED'], { method: 'HEAD' }],
      ['/users/{id}', [503, 'KEY_SET_UNAVAILABLE']],
      ['/users/{id}', [503, 'TOO_MANY_BODIES']],
      ['/users/{id}', [503, 'DB_UNAVAILABLE']],
      ['/users/{id}', [503, 'WORKER_QUEUE_FULL']],
      ['/users/{id}', [504, 'UPSTREAM_TIMED_OUT']],
      ['/users/{id}', [504, 'GATEWAY_TIMEOUT']],
      ['/users/{id}', [500, 'INTERNAL']],
      ['/aggregate', [502, 'UPSTREAM_FAILED']],
      ['/aggregate', [504, 'UPSTREAM_TIMED_OUT'], { method: 'DELETE' }],
      ['/a-path-of-a-raw-request', [503, 'DB_POOL_TIMEOUT']],
    ]
    for (const call of faulty) {
      const [, [status]] = call
      t.match(faultsOf(...call), [new RegExp(`^answered ${status}`)], call.flat().join(' '))
    }
    t.same(faultsOf('/users/{id}', [503, 'OVERLOADED'], { retryAfter: false }), ['a 503 without retry-after'])
  },
)

t.test('the page on limits names each refusal', async (t) => {
  const text = await readFile(join(root, 'docs/LIMITS.md'), 'utf8')
  const named = new Set(
    [...text.matchAll(/(503|504) `([A-Z_]+)`/g)].map(([, status, code]) => `${status} ${code}`),
  )
  // nginx's own code is not on the page, its status is.
  t.match(text, /\| answer of an API \|.* then 504 \|/)
  t.same(new Set(Object.keys(REFUSALS)), new Set([...named, '504 GATEWAY_TIMEOUT']))
})
