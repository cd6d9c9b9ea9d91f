import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { contenders } from './contenders.ts'

/** What a reader received while another thread wrote. */
export interface CoherenceResult {
  reads: number
  /** Reads that received a row older than a write that had been acknowledged before the read began. */
  stale: number
  /** The longest time from an acknowledgement, as the reader saw it, to a stale read. */
  latestMs: number
}

const { name, url, shared, keys, loadMs } = workerData as {
  name: string
  url: string
  shared: SharedArrayBuffer
  keys: number
  loadMs: number
}
const READERS = 16
const [versions, acknowledged] = [new Int32Array(shared, 0, keys), new Int32Array(shared, keys * 4, keys)]
const cache = await contenders[name]?.(url, 'both', async (id) => {
  const email = String(Atomics.load(versions, id))
  await sleep(loadMs)
  return { id, email, name: '', createdAt: '' }
})
if (cache === undefined || parentPort === null) throw new Error(`there is no ${name}`)
await cache.get(0)

/** When this thread first saw that a version of a key was acknowledged. */
const seenAt = Array.from({ length: keys }, () => new Map<number, number>())
const result: CoherenceResult = { reads: 0, stale: 0, latestMs: 0 }
let isStopped = false
parentPort.once('message', () => {
  isStopped = true
})
parentPort.postMessage('reading')
await Promise.all(Array.from({ length: READERS }, read))
await cache.close()
parentPort.postMessage(result)
parentPort.close()

/** Reads one key after the other at random until the parent ends it. */
async function read(): Promise<void> {
  while (!isStopped) {
    const id = Math.floor(Math.random() * keys)
    const least = Atomics.load(acknowledged, id)
    const seen = seenAt[id]
    if (seen !== undefined && !seen.has(least)) seen.set(least, performance.now())
    const found = Number((await cache?.get(id))?.email)
    result.reads++
    if (found < least) {
      result.stale++
      // Since the first write that this value lacks.
      const since = Math.min(...[...(seen ?? [])].flatMap(([version, at]) => (version > found ? [at] : [])))
      result.latestMs = Math.max(result.latestMs, performance.now() - since)
    }
    // As in a service, where the event loop turns between two requests.
    await turn()
  }
}
