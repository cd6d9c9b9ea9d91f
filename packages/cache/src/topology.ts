import type { ConnectionOptions } from './connection.ts'
import type { RedisNode } from './node.ts'

/** Which Redis owns which key. */
export interface Topology {
  /** The owner of a key's slot; undefined while none is known. */
  findOwner(key: string): RedisNode | undefined
  nodes(): RedisNode[]
  byId(id: string): RedisNode | undefined
  readonly cluster: boolean
  /**
   * Changes when the data may have become older: the only Redis was restarted with what it had saved, or a replica took
   * over that had not received everything. On a Cluster it is '' at all times: there WAIT holds against a failover.
   */
  identity(): string
  /** Asks the cluster anew; concurrent calls share one answer. */
  refresh(): Promise<void>
  close(): void
}

export type MakeNode = (id: string, options: ConnectionOptions, cluster: boolean) => RedisNode
