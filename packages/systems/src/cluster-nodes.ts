/** A line of CLUSTER NODES. */
export interface ClusterNode {
  readonly id: string
  readonly host: string
  readonly port: number
  readonly role: 'master' | 'replica'
  /** `fail`, `fail?`, `handshake`, `noaddr` …; empty for a node that is well. */
  readonly faults: string[]
  readonly myself: boolean
  readonly masterId: string | undefined
  readonly linked: boolean
  readonly slots: readonly (readonly [from: number, to: number])[]
}

export const SLOTS = 16_384
const WELL = new Set(['myself', 'master', 'slave', 'nofailover', 'noflags'])

/** `<id> <ip:port@cport[,hostname]> <flags> <master> <ping> <pong> <epoch> <link> <slot> …`; a slot in migration is in brackets. */
export function parseClusterNodes(text: string): ClusterNode[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [id = '', address = '', flags = '', master = '-', , , , link = '', ...slots] = line
        .trim()
        .split(' ')
      const [, ip = '', port = '', hostname = ''] = /^(.*):(\d+)(?:@\d+)?(?:,([^,]*))?/.exec(address) ?? []
      const all = flags.split(',')
      return {
        id,
        host: hostname || ip,
        port: Number(port),
        role: all.includes('master') ? 'master' : 'replica',
        faults: all.filter((flag) => !WELL.has(flag)),
        myself: all.includes('myself'),
        masterId: master === '-' ? undefined : master,
        linked: link === 'connected',
        slots: slots.flatMap((slot) => {
          const [, from, to = from] = /^(\d+)(?:-(\d+))?$/.exec(slot) ?? []
          return from === undefined ? [] : [[Number(from), Number(to)] as const]
        }),
      }
    })
}

export function countSlots({ slots }: ClusterNode): number {
  return slots.reduce((sum, [from, to]) => sum + to - from + 1, 0)
}

/** What is wrong with a cluster, a sentence each. */
export function clusterFaults(nodes: readonly ClusterNode[]): string[] {
  const name = ({ host, port }: ClusterNode) => `${host}:${port}`
  const masters = nodes.filter(({ role, faults }) => role === 'master' && !faults.includes('fail'))
  const covered = masters.reduce((sum, node) => sum + countSlots(node), 0)
  const well = (node: ClusterNode) => node.faults.length === 0 && node.linked
  const bare = masters.filter(
    (master) => countSlots(master) > 0 && !nodes.some((node) => node.masterId === master.id && well(node)),
  )
  return [
    ...(covered === SLOTS ? [] : [`${SLOTS - covered} of ${SLOTS} slots are served by nobody`]),
    ...nodes
      .filter((node) => !well(node))
      .map((node) => `${name(node)} is ${node.faults.join(', ') || 'not linked'}`),
    ...bare.map((node) => `${name(node)} has no replica: its slots are lost when it is`),
    ...masters
      .filter((node) => countSlots(node) === 0)
      .map((node) => `${name(node)} is a master without slots: rebalance --use-empty-masters`),
  ]
}
