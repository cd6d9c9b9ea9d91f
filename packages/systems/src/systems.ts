import { createProbe, type Open, type Probe } from '@reference/probes'
import { openMongodb } from './mongodb.ts'
import { openMysql } from './mysql.ts'
import { openRabbitmq } from './rabbitmq.ts'
import { openVault } from './vault.ts'

/** Where the systems are; an absent one has no row, and its client is never loaded. */
export interface SystemsOptions {
  readonly mysqlUrl?: string | undefined
  readonly mongodbUrl?: string | undefined
  readonly rabbitmqUrl?: string | undefined
  readonly vaultAddress?: string | undefined
}

export interface Systems {
  /** Rows of `/ready` and `/services`. */
  readonly dependencies: readonly Probe[]
  /** Closes every connection at once. */
  close(): Promise<void>
}

const THRESHOLD_MS = 1000
const VAULT_THRESHOLD_MS = 200

/** Below the second that a check has: then the error is the driver's own reason, not only a time limit. */
const CONNECT_TIMEOUT_MS = 900

/**
 * Probes the systems around a service, each over its own protocol. Nothing is connected before the first check. A system
 * that is unavailable, refuses or hangs fails its own check and nothing else.
 */
export function createSystems(options: SystemsOptions): Systems {
  const { mysqlUrl, mongodbUrl, rabbitmqUrl, vaultAddress } = options
  const dependencies = [
    probe('mysql', THRESHOLD_MS, mysqlUrl, openMysql),
    probe('mongodb', THRESHOLD_MS, mongodbUrl, (url) => openMongodb(url, CONNECT_TIMEOUT_MS)),
    probe('rabbitmq', THRESHOLD_MS, rabbitmqUrl, (url) => openRabbitmq(url, CONNECT_TIMEOUT_MS)),
    probe('vault', VAULT_THRESHOLD_MS, vaultAddress, openVault),
  ].flat()
  return {
    dependencies,
    async close() {
      await Promise.all(dependencies.map((dependency) => dependency.close()))
    },
  }
}

function probe(
  name: string,
  thresholdMs: number,
  url: string | undefined,
  open: (url: string) => Open,
): Probe[] {
  return url === undefined ? [] : [createProbe(name, thresholdMs, open(url))]
}
