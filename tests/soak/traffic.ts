import { connect } from 'node:net'
import type { Call } from '../testing/load.ts'

/** The rows of the test database (`templateRows` of local-stack). */
const USERS = 1000
const PRODUCTS = 100
const ORDERS = 5000

/** Reads of the reference-api, each kind in turn: cached rows, rows that expire, stored pages, and pages from the database. */
export function referenceReads(index: number): Call {
  const any = (index * 7919) % 100_003
  const kinds = [
    `/users/${1 + (any % 50)}`,
    `/users/${1 + (any % USERS)}`,
    `/orders/${1 + (any % ORDERS)}`,
    `/products/${1 + (any % PRODUCTS)}`,
    '/orders?limit=50',
    `/orders?limit=20&userId=${1 + (any % USERS)}`,
    `/users?limit=${1 + (any % 40)}`,
    `/products?limit=${1 + (any % 40)}`,
    '/health',
  ]
  return { path: kinds[index % kinds.length] ?? '/health' }
}

/** Reads of the parallel-api, which reads the reference-api as well. */
export function parallelReads(index: number): Call {
  const kinds = [
    `/all?limit=${1 + (index % 20)}`,
    `/users/${1 + (index % USERS)}`,
    '/aggregate?limit=5',
    '/report?cached=true',
  ]
  return { path: kinds[index % kinds.length] ?? '/health' }
}

const head = (line: string, ...more: string[]) =>
  [`${line} HTTP/1.1`, 'host: test', ...more, '', ''].join('\r\n')

/** What a client has sent when it leaves: a part of a request, or requests whose replies it does not wait for. */
const LAST_WORDS: readonly string[] = [
  '',
  'GET /us',
  'GET /users/1 HTTP/1.1\r\nhost: te',
  head('GET /users/1'),
  head('GET /users?limit=500'),
  head('GET /orders?limit=500').repeat(8),
  `${head('POST /orders', 'content-type: application/json', 'content-length: 100')}{"userId":`,
  head('POST /orders', 'content-type: application/json', 'content-length: 41') +
    '{"userId":900,"productId":1,"quantity":1}',
  `${head('POST /process-data', 'transfer-encoding: chunked', 'content-type: application/json')}5\r\n{"a":`,
]

/** How long such a client stays. */
const STAY_MS = [0, 1, 5, 40]

/** Clients that leave, at a fixed rate until it is stopped. */
export function startLeavers(origin: string, perSecond: number): { stop(): number } {
  const port = Number(new URL(origin).port)
  let left = 0
  const timer = setInterval(() => {
    const words = LAST_WORDS[left % LAST_WORDS.length] ?? ''
    const stayMs = STAY_MS[Math.floor(left / LAST_WORDS.length) % STAY_MS.length] ?? 0
    left++
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(words)
      setTimeout(() => socket.destroy(), stayMs)
    })
    socket.on('error', () => {})
    socket.pause()
  }, 1000 / perSecond)
  return {
    stop() {
      clearInterval(timer)
      return left
    },
  }
}
