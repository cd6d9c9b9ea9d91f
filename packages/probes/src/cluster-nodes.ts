/** A line of CLUSTER NODES. */
export interface ClusterNode {
  readonly id: string
  readonly host: string
  readonly port: number
  readonly role: 'master' | 'replica'
  /** `fail`, `fail?`, `handshake`, `noaddr` …; empty for a healthy node. */
  readonly faults: string[]
  readonly myself: boolean
  readonly masterId: string | undefined
  readonly linked: boolean
  readonly slots: readonly (readonly [from: number, to: number])[]
}

export const SLOTS = 16_384
const HEALTHY_FLAGS = new Set(['myself', 'master', 'slave', 'nofailover', 'noflags'])

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
        faults: all.filter((flag) => !HEALTHY_FLAGS.has(flag)),
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

/** The faults of a cluster, one sentence each. */
export function clusterFaults(nodes: readonly ClusterNode[]): string[] {
  const name = ({ host, port }: ClusterNode) => `${host}:${port}`
  const masters = nodes.filter(({ role, faults }) => role === 'master' && !faults.includes('fail'))
  const covered = masters.reduce((sum, node) => sum + countSlots(node), 0)
  const isHealthy = (node: ClusterNode) => node.faults.length === 0 && node.linked
  const unreplicated = masters.filter(
    (master) =>
      countSlots(master) > 0 && !nodes.some((node) => node.masterId === master.id && isHealthy(node)),
  )
  return [
    ...(covered === SLOTS ? [] : [`${SLOTS - covered} of ${SLOTS} slots have no master`]),
    ...nodes
      .filter((node) => !isHealthy(node))
      .map((node) => `${name(node)} is ${node.faults.join(', ') || 'not linked'}`),
    ...unreplicated.map((node) => `${name(node)} has no replica: its slots are lost with it`),
    ...masters
      .filter((node) => countSlots(node) === 0)
      .map((node) => `${name(node)} is a master without slots: rebalance --use-empty-masters`),
  ]
}
