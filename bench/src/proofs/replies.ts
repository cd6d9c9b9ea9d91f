import { describe, type Proof, prove, sendRequest, share } from './proof.ts'

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

/** Lowest and highest share, 0–1. */
export type Range = readonly [least: number, most: number]

/**
 * The hit ratio under load, and the share of a tier where it is named, lie within their ranges. The ratio is the share of
 * tiers 1 and 2 in the replies that have `x-cache`: writes have none.
 */
export function hitRatio(hits: Range, tiers: { readonly l1?: Range; readonly l2?: Range } = {}): Proof {
  return ({ loadCache }) => {
    prove(Object.keys(loadCache).length > 0, 'no reply under load has x-cache')
    const [l1, l2] = [share(loadCache, 'l1'), share(loadCache, 'l2')]
    const fact = `hit ratio ${(l1 + l2).toFixed(2)} under load: ${l1.toFixed(2)} from tier 1, ${l2.toFixed(2)} from tier 2 (${describe(loadCache)})`
    const checks: [value: number, range: Range | undefined, name: string][] = [
      [l1 + l2, hits, 'a hit ratio'],
      [l1, tiers.l1, 'a share of tier 1'],
      [l2, tiers.l2, 'a share of tier 2'],
    ]
    for (const [value, range, name] of checks) {
      if (range === undefined) continue
      const [least, most] = range
      prove(value >= least && value <= most, `expected ${name} from ${least} to ${most}: ${fact}`)
    }
    return fact
  }
}

/** All replies have this `content-encoding`. */
export function encodedAs(expected: 'gzip' | 'br' | 'zstd' | 'identity'): Proof {
  return ({ encoding }) => {
    prove(share(encoding, expected) === 1, `expected content-encoding ${expected}: ${describe(encoding)}`)
    return `content-encoding: ${expected}`
  }
}

/** Requests are answered before Fastify, or none is: the service counts them. */
export function answersBeforeFastify(expected: boolean): Proof {
  return async (_observed, target) => {
    const times = 20
    const before = await fastPathRequests(target.origin)
    for (let i = 0; i < times; i++) await sendRequest(target)
    const answered = (await fastPathRequests(target.origin)) - before
    const fact = `${answered} of ${times} requests were answered before Fastify`
    // A tier-1 hit is passed on when Redis has not proven it in time.
    prove(expected ? answered >= times / 2 : answered === 0, fact)
    return fact
  }
}

async function fastPathRequests(origin: string): Promise<number> {
  const text = await (await fetch(`${origin}/metrics`)).text()
  const counts = text.matchAll(/^http_fast_path_requests_total\{.*\} (\d+)/gm)
  return [...counts].reduce((sum, [, count]) => sum + Number(count), 0)
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
