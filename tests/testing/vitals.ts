import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { withDeadline } from '@reference/async'
import { startService, type TestScope, type TestService } from '@reference/local-stack'

/** Memory and handles of a process after a collection of garbage. */
export interface Vitals {
  readonly heapBytes: number
  /** Memory outside of the heap that objects of the heap hold, such as buffers. */
  readonly externalBytes: number
  readonly rssBytes: number
  /** What keeps the event loop running, by kind: `process.getActiveResourcesInfo()`. */
  readonly resources: Readonly<Record<string, number>>
  /** Open descriptors; 0 where the system does not list them. */
  readonly sockets: number
  readonly files: number
}

export interface ObservedService extends TestService {
  vitals(): Promise<Vitals>
}

const OBSERVER = fileURLToPath(new URL('vitals-process.ts', import.meta.url))
const ANSWER_MS = 60_000

/**
 * Starts a service as `startService` does, with a channel that reports its memory and handles.
 *
 * @param imports further modules that are loaded before the service
 */
export function startObserved(
  t: TestScope,
  service: 'reference-api' | 'parallel-api',
  environment: Record<string, string>,
  { imports = [] }: { imports?: readonly string[] } = {},
): ObservedService {
  const nodeOptions = ['--expose-gc', ...[OBSERVER, ...imports].flatMap((path) => ['--import', path])]
  const started = startService(t, service, environment, { nodeOptions, ipc: true })
  return {
    ...started,
    // Beside other tests on two cores, a start takes long.
    listening: () => started.listening(90_000),
    async vitals() {
      const answer = withDeadline((signal) => once(started.child, 'message', { signal }), {
        timeoutMs: ANSWER_MS,
      })
      started.child.send('vitals')
      const [vitals] = (await answer) as [Vitals]
      return vitals
    },
  }
}
