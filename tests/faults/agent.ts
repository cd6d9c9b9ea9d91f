// Preloaded into the services of the fault matrix (`node --import`): faults that lie inside a process. The orders are a JSON file.
// Names are read from it at each look-up, the rest when SIGUSR2 arrives.
import { readFileSync } from 'node:fs'

export interface Orders {
  /** Addresses of host names below `.fault.test`; a name without an address does not exist. */
  readonly hosts?: Readonly<Record<string, string>>
  /** How far the wall clock is ahead. */
  readonly clockMs?: number
  /** At SIGUSR2. */
  readonly act?: 'throw' | 'reject' | 'fill the heap'
}

const dns = process.getBuiltinModule('node:dns')
const { lookup } = dns
const RealDate = Date
let clockMs = 0

function orders(): Orders {
  return JSON.parse(readFileSync(process.env.FAULT_ORDERS ?? '', 'utf8'))
}

type Done = (error: Error | null, address?: unknown, family?: number) => void

function lookUp(host: string, options: unknown, callback?: Done): void {
  const done = (callback ?? options) as Done
  if (!host.endsWith('.fault.test')) {
    Reflect.apply(lookup, dns, callback === undefined ? [host, done] : [host, options, done])
    return
  }
  const address = orders().hosts?.[host]
  const all = (options as { all?: boolean } | undefined)?.all === true
  setImmediate(() => {
    if (address === undefined) {
      done(Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`), { code: 'ENOTFOUND', hostname: host }))
    } else if (all) done(null, [{ address, family: 4 }])
    else done(null, address, 4)
  })
}

class ShiftedDate extends RealDate {
  constructor(...values: unknown[]) {
    super(...((values.length === 0 ? [RealDate.now() + clockMs] : values) as []))
  }

  static override now(): number {
    return RealDate.now() + clockMs
  }
}

Reflect.set(dns, 'lookup', lookUp)
Reflect.set(globalThis, 'Date', ShiftedDate)
process.on('SIGUSR2', () => {
  const { act, clockMs: ahead = 0 } = orders()
  clockMs = ahead
  if (act === 'throw') throw new Error('an exception of the fault matrix')
  if (act === 'reject') void Promise.reject(new Error('a rejection of the fault matrix'))
  const kept: object[] = []
  while (act === 'fill the heap') kept.push(new Array(1000).fill({ kept: kept.length }))
})
