/**
 * For `node --import`: each request uses more CPU time, by the share `PLANTED_SHARE`: a slow-down of a known size, which the
 * benchmark has to find.
 */
import { Server } from 'node:http'

/** Requests after which the CPU time of a request is estimated again. */
const WINDOW = 500
const SHARE = Number(process.env.PLANTED_SHARE ?? 0)

let requests = 0
let burntMs = 0
let perRequestMs = 0
let last = process.cpuUsage()

function burn(): void {
  if (perRequestMs === 0) return
  const until = performance.now() + perRequestMs * SHARE
  while (performance.now() < until);
  burntMs += perRequestMs * SHARE
}

function estimate(): void {
  const now = process.cpuUsage()
  const usedMs = (now.user + now.system - last.user - last.system) / 1000
  perRequestMs = Math.max(0, usedMs - burntMs) / WINDOW
  last = now
  burntMs = 0
}

const { emit } = Server.prototype
Server.prototype.emit = function (event: string | symbol, ...args: unknown[]): boolean {
  if (event === 'request') {
    if (++requests % WINDOW === 0) estimate()
    burn()
  }
  return Reflect.apply(emit, this, [event, ...args])
}
