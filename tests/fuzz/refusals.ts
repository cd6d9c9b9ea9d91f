import { type Api, type Operation, PROBLEM } from './openapi.ts'
import { headerOf, type Reply } from './replies.ts'

/** What was asked, as far as the judgement of the reply depends on it. */
export interface Asked {
  readonly operation: Operation | undefined
  readonly method: string
}

/** A call that was refused. */
interface Refused {
  readonly path: string
  readonly operation: Operation | undefined
  readonly throughNginx: boolean
}

/** The calls that no overload refuses. */
const ALWAYS_ANSWERED = ['/health', '/ready', '/services', '/metrics']

const doesWork = ({ path }: Refused) => !ALWAYS_ANSWERED.includes(path)

/** The refusals of docs/LIMITS.md by status and code, and the calls that may get them. */
export const REFUSALS: Readonly<Record<string, (call: Refused) => boolean>> = {
  // The reads need no token.
  '503 KEY_SET_UNAVAILABLE': ({ operation }) => operation !== undefined && operation.method !== 'GET',
  '503 OVERLOADED': doesWork,
  '503 TOO_MANY_BODIES': ({ operation }) => operation?.body !== undefined,
  '503 DB_POOL_TIMEOUT': (call) => call.operation !== undefined && doesWork(call),
  '503 DB_STATEMENT_TIMEOUT': (call) => call.operation !== undefined && doesWork(call),
  '503 WORKER_QUEUE_FULL': ({ path }) => path === '/report',
  '504 GATEWAY_TIMEOUT': ({ throughNginx }) => throughNginx,
}

/**
 * The faults of a 5xx. It is correct only where the document names its status for the operation, or docs/LIMITS.md its code; and a 503
 * has a `retry-after`.
 *
 * @param text the body, without content coding; empty in the reply to a HEAD
 */
export function failureFaults(
  reply: Reply,
  { operation, method, text }: Asked & { readonly text: string },
  { throughNginx = false }: Pick<Api, 'throughNginx'>,
): string[] {
  const { status } = reply
  const faults =
    status === 503 && headerOf(reply, 'retry-after') === undefined ? ['a 503 without retry-after'] : []
  if (isOf(operation, method) && operation?.responses[status] !== undefined) return faults
  const { code, instance = '' } = problemOf(reply, text)
  const call: Refused = { path: operation?.path ?? instance, operation, throughNginx }
  // The reply to a HEAD does not show its code.
  const named = Object.entries(REFUSALS).some(
    ([name, mayGet]) =>
      (text === '' ? name.startsWith(`${status} `) : name === `${status} ${code}`) && mayGet(call),
  )
  return named ? faults : [...faults, `answered ${status}: ${text.slice(0, 500)}`]
}

/** Whether a request with this method is a call of the operation. */
const isOf = (operation: Operation | undefined, method: string) =>
  method === operation?.method || (method === 'HEAD' && operation?.method === 'GET')

function problemOf(reply: Reply, text: string): { code?: string; instance?: string } {
  if (headerOf(reply, 'content-type') !== PROBLEM) return {}
  try {
    return JSON.parse(text) as { code?: string; instance?: string }
  } catch {
    return {}
  }
}
