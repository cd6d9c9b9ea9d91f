import { readdirSync, readlinkSync } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { isMainThread } from 'node:worker_threads'
import type { Vitals } from './vitals.ts'

// Loaded into a service by `node --import`, for tests only: answers each message with the memory and the handles of the process.

if (isMainThread && process.send !== undefined) {
  process.on('message', async () => process.send?.(await vitals()))
  // The channel must not keep a process alive that has shut down.
  process.channel?.unref()
  // A test that is killed, such as one past its time limit, must not leave a service behind.
  process.on('disconnect', () => process.exit(1))
}

async function vitals(): Promise<Vitals> {
  // Once: a collection stops the service for some 60 ms, much longer on a busy machine. Objects with a finalizer, such as sockets and
  // buffers, are freed by the next one.
  globalThis.gc?.()
  await nextTurn()
  const { heapUsed, external, rss } = process.memoryUsage()
  const resources: Record<string, number> = {}
  for (const name of process.getActiveResourcesInfo()) resources[name] = (resources[name] ?? 0) + 1
  return {
    heapBytes: heapUsed,
    externalBytes: external,
    rssBytes: rss,
    resources,
    ...descriptors(),
  }
}

/** The open descriptors; zeros where the system does not list them. */
function descriptors(): { sockets: number; files: number } {
  let [sockets, files] = [0, 0]
  for (const name of namesOf('/proc/self/fd')) {
    const target = targetOf(`/proc/self/fd/${name}`)
    if (target === undefined) continue
    if (target.startsWith('socket:')) sockets++
    else files++
  }
  return { sockets, files }
}

function namesOf(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** Undefined for a descriptor that is closed by now: the one of the listing itself. */
function targetOf(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}
