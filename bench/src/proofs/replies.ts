import { describe, type Proof, prove, share } from './proof.ts'

/** Every request has this status. Not sufficient as the only proof of a variant. */
export function answers(statusCode: number): Proof {
  return ({ status }) => {
    prove(share(status, String(statusCode)) === 1, `expected status ${statusCode}: ${describe(status)}`)
    return `status ${statusCode}`
  }
}

/** All replies have `x-cache: <tier>`. */
export function answeredFrom(tier: 'l1' | 'l2' | 'miss' | 'off'): Proof {
  return ({ cache, loadCache }) => {
    const lowest = Math.min(share(cache, tier), share(loadCache, tier))
    prove(Object.keys(cache).length > 0, 'no reply has x-cache')
    prove(lowest >= 0.98, `expected x-cache ${tier}: ${describe(cache)}; under load ${describe(loadCache)}`)
    return `x-cache: ${tier} (${describe(cache)})`
  }
}

/** All replies have this `content-encoding`. */
export function encodedAs(expected: 'gzip' | 'br' | 'zstd' | 'identity'): Proof {
  return ({ encoding }) => {
    prove(share(encoding, expected) === 1, `expected content-encoding ${expected}: ${describe(encoding)}`)
    return `content-encoding: ${expected}`
  }
}

/** `/metrics` has request durations, or the page does not exist. */
export function exposesMetrics(expected: boolean): Proof {
  return async (_observed, { origin }) => {
    const reply = await fetch(`${origin}/metrics`)
    const counted = (await reply.text()).includes('http_request_duration_seconds_count')
    const fact = `/metrics answers ${reply.status} ${counted ? 'with' : 'without'} request durations`
    prove(counted === expected, fact)
    return fact
  }
}
