import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { threadsOf } from '../stack/process-stats.ts'
import { type Proof, prove, sendRequest } from './proof.ts'

/** A log line is written for each request, or for none. */
export function logsRequests(expected: boolean): Proof {
  return ({ logBytesPerRequest: bytes }) => {
    const fact = `${bytes.toFixed(0)} bytes logged a request`
    prove(expected ? bytes > 40 : bytes < 40, fact)
    return fact
  }
}

/** Each request opens a connection to the upstream, or reuses an open one. */
export function opensConnections(expected: boolean): Proof {
  return ({ connectionsPerRequest: opened }) => {
    if (opened === undefined) return 'this system does not count opened connections'
    // The counting client keeps its own connection alive.
    const fact = `${opened.toFixed(2)} connections opened a request`
    prove(expected ? opened >= 1 : opened < 1, fact)
    return fact
  }
}

/** CPU work runs on worker threads: threads of the process that used CPU time during one request. */
export function computesOnThreads(expected: boolean): Proof {
  return async (_observed, target) => {
    if (threadsOf(target.pid) === undefined) return 'this system does not show threads'
    await sendRequest(target)
    const busy = (threadsOf(target.pid) ?? []).filter(
      ({ name, cpuMs }) => isWorkerThread(name) && cpuMs > 0,
    ).length
    prove(expected === busy > 0, `expected ${expected ? 'busy worker threads' : 'none'}, found ${busy}`)
    return `${busy} busy worker thread${busy === 1 ? '' : 's'}`
  }
}

/** Names that Node gives to threads of `worker_threads`; V8's own have others. */
function isWorkerThread(name: string): boolean {
  return /^(WorkerThread|node-worker|\[worker)/i.test(name)
}

// part:jobs
/** Jobs run after the reply, or before it: `GET /jobs/…` right after each reply. */
export function worksInBackground(expected: boolean): Proof {
  return async (_observed, target) => {
    const times = 10
    let completed = 0
    for (let i = 0; i < times; i++) {
      const reply = await sendRequest(target)
      const job = `${target.origin}${reply.headers.get('location') ?? '/'}`
      if ((await jobState(job)) === 'completed') completed++
      for (let turn = 0; turn < 200 && (await jobState(job)) !== 'completed'; turn++) await sleep(10)
      const last = await jobState(job)
      prove(last === 'completed', `a job was ${last} after 2 s`)
    }
    const fact = `${completed} of ${times} jobs were completed at the time of the reply`
    // A quick job may be completed before its state is requested.
    prove(expected ? completed < times : completed === times, fact)
    return `${fact}, the others soon after`
  }
}

async function jobState(job: string): Promise<unknown> {
  const body: unknown = await (await fetch(job)).json()
  return typeof body === 'object' && body !== null && 'state' in body ? body.state : undefined
}
// end:jobs

/** The process has this setting in its environment: for switches without a visible effect. */
export function startedWith(name: string, value: string | undefined): Proof {
  return (_observed, { pid }) => {
    const expected = `${name}=${value ?? '(default)'}`
    if (process.platform !== 'linux') return `started with ${expected}`
    const variables = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')
    const found = variables.find((variable) => variable.startsWith(`${name}=`))?.slice(name.length + 1)
    prove(
      found === value,
      `the process has ${name}=${found ?? '(default)'}, expected ${value ?? '(default)'}`,
    )
    return `the process runs with ${expected}`
  }
}
