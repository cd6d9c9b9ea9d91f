export interface Master {
  host: string
  /** Where the node announces one (`cluster-announce-hostname`). */
  hostname?: string
  port: number
  slots: [from: number, to: number][]
  replicas: number
}

/** How one node sees the Cluster. The epoch grows with each failover. */
export interface ClusterView {
  epoch: number
  masters: Master[]
}

/**
 * CLUSTER NODES, and not CLUSTER SLOTS, which omits replicas that have received nothing yet: these could still be
 * promoted. `<id> <ip:port@cport[,hostname]> <flags> <master> <ping> <pong> <config-epoch> <link> <slot or range>…`
 *
 * @param askedHost of the node that replied: it omits its own host while it does not know it
 */
export function parseNodes(text: string, askedHost: string): ClusterView {
  const lines = text
    .trim()
    .split('\n')
    .map((line) => line.split(' '))
    .map(([id = '', address = '', flags = '', master = '', , , epoch = '0', , ...slots]) => ({
      id,
      host: address.slice(0, address.lastIndexOf(':', address.indexOf('@'))) || askedHost,
      hostname: address.split(',')[1] || undefined,
      port: Number(/:(\d+)@/.exec(address)?.[1]),
      flags: flags.split(','),
      master,
      epoch: Number(epoch),
      // A slot in brackets is being moved, and still belongs to this node.
      slots: slots.filter((slot) => !slot.startsWith('[')).map((slot) => slot.split('-').map(Number)),
    }))
  const replicasOf = (id: string) =>
    lines.filter((line) => line.master === id && !line.flags.includes('fail')).length
  return {
    epoch: Math.max(0, ...lines.map((line) => line.epoch)),
    masters: lines
      .filter((line) => line.flags.includes('master') && line.slots.length > 0)
      .map(({ id, host, hostname, port, slots }) => ({
        host,
        ...(hostname !== undefined && { hostname }),
        port,
        slots: slots.map(([from = 0, to = from]) => [from, to]),
        replicas: replicasOf(id),
      })),
  }
}
