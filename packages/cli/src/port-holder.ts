import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** The state of a listening socket in /proc/net/tcp. */
const LISTEN = '0A'

/**
 * Which process listens on a port of this machine, for an error message: `process 4711 (node server.js)`. Undefined where the system
 * has no /proc, and for a process of another user that only root may look into.
 */
export function holderOfPort(port: number): string | undefined {
  const sockets = new Set(
    [...inodesOf('tcp', port), ...inodesOf('tcp6', port)].map((inode) => `socket:[${inode}]`),
  )
  const pid =
    sockets.size === 0 ? undefined : list('/proc').find((name) => /^\d+$/.test(name) && holds(name, sockets))
  if (pid === undefined) return undefined
  // Not more of its command: further arguments may hold a secret.
  const command = read(`/proc/${pid}/cmdline`).split('\0', 2).join(' ').trim()
  return command ? `process ${pid} (${command})` : `process ${pid}`
}

function inodesOf(protocol: 'tcp' | 'tcp6', port: number): string[] {
  const hexadecimal = port.toString(16).toUpperCase().padStart(4, '0')
  return read(`/proc/net/${protocol}`)
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, , state]) => state === LISTEN && local?.endsWith(`:${hexadecimal}`))
    .map((fields) => fields[9] ?? '')
}

function holds(pid: string, sockets: ReadonlySet<string>): boolean {
  const folder = `/proc/${pid}/fd`
  return list(folder).some((descriptor) => sockets.has(link(`${folder}/${descriptor}`)))
}

function list(folder: string): string[] {
  return orElse([], () => readdirSync(folder))
}

function read(file: string): string {
  return orElse('', () => readFileSync(file, 'utf8'))
}

function link(file: string): string {
  return orElse('', () => readlinkSync(file))
}

/** A process may end while it is looked into, and others may not be looked into. */
function orElse<T>(other: T, get: () => T): T {
  try {
    return get()
  } catch {
    return other
  }
}
