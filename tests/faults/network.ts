import type { Fault, FaultProxy } from '@reference/local-stack'
import type { FaultStack } from './stack.ts'

type Which = 'postgres' | 'redis' | 'upstream'

/** A fault of the path to a system, for a cell. */
export function path(which: Which, fault: Fault) {
  return async (stack: FaultStack) => {
    const proxy: FaultProxy = stack[which]
    await proxy.set(fault)
    return () => proxy.set({ kind: 'none' })
  }
}

/** Changes every n-th byte of a server. With a small number each message has one in its head, so that no value is taken for another. */
export function wrongBytes(every: number): Fault {
  return {
    kind: 'change',
    change(bytes, at) {
      for (let index = every - 1 - (at % every); index < bytes.length; index += every)
        bytes[index] = (bytes[index] ?? 0) ^ 0x55
    },
  }
}

/** Open connections break, and new ones lead to a server that answers this to whatever it receives. */
export function answers(which: Which, bytes: Buffer) {
  return async (stack: FaultStack) => {
    const { createServer } = await import('node:net')
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.once('data', () => socket.write(bytes))
    }).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const proxy = stack[which]
    const usual = proxy.target
    proxy.leadTo((server.address() as { port: number }).port)
    await proxy.set({ kind: 'reset' })
    await proxy.set({ kind: 'none' })
    return async () => {
      proxy.leadTo(usual)
      await proxy.set({ kind: 'reset' })
      await proxy.set({ kind: 'none' })
      server.close()
    }
  }
}

/** A name of the services no longer exists, and its open connections break. */
export function withoutName(which: Which, host: string, hosts: Readonly<Record<string, string>>) {
  return async (stack: FaultStack) => {
    const { [host]: _, ...others } = hosts
    stack.hosts(others)
    await stack[which].set({ kind: 'reset' })
    await stack[which].set({ kind: 'none' })
    return () => stack.hosts(hosts)
  }
}

/** A name leads to another address, and the old one accepts no more connections, as after a failover. */
export function movedName(which: Which, host: string, hosts: Readonly<Record<string, string>>) {
  return async (stack: FaultStack) => {
    const proxy = stack[which]
    await proxy.moveTo('127.0.0.2')
    // Resolvers and caches of names are late.
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    stack.hosts({ ...hosts, [host]: '127.0.0.2' })
    return async () => {
      await proxy.moveTo('127.0.0.1')
      stack.hosts(hosts)
    }
  }
}
