import {
  type PostgresServer,
  postgresJsOptions,
  postgresServer,
  withoutLibpqVariables,
} from '@reference/postgres'
import postgres from 'postgres'
import { turnOffDriverRetry } from './driver-retry.ts'
import { createSockets } from './sockets.ts'
import { TYPE_PARSERS } from './type-parsers.ts'
import type { Watch, Watchdog } from './watchdog.ts'

export interface Connection {
  readonly client: postgres.Sql<Record<string, never>>
  readonly watch: Watch
  /** Why it was given up. Every statement on it fails with this and is not repeated. */
  readonly lost: unknown
  /** Connections to the server: one, or none before the first statement and after a long idle time. */
  open(): number
  /** Lets statements in flight finish for this time, then ends like `destroy`. */
  end(seconds: number): Promise<void>
  /** Ends at once, whether the server cooperates or not; statements in flight fail. */
  destroy(lost?: unknown): Promise<void>
}

export interface ConnectionOptions {
  url: string
  applicationName: string
  prepare: boolean
  idleSeconds: number | undefined
  lifetimeSeconds: number
}

export interface ConnectionEvents {
  /** It owes an answer and has been silent for too long. */
  readonly onSilent: (connection: Connection) => void
  /** A session has begun: the server has accepted the login. */
  readonly onOpened: (connection: Connection) => void
  /** The session has ended, or could not begin. */
  readonly onClosed: (connection: Connection) => void
}

const CONNECT_SECONDS = 5

/**
 * One connection: a client of postgres.js with `max: 1`, which connects at its first statement and again after a loss.
 *
 * A pool has one client a connection instead of one client with `max: 30`, because only then is it known which connection a
 * statement uses. Three things need that: a cancel names a session and could otherwise stop the next statement there; a `begin`
 * that fills a pipeline is lost in postgres.js 3.4; a connection whose server no longer answers has to be given up alone.
 */
export function createConnection(
  options: ConnectionOptions,
  watchdog: Watchdog,
  { onSilent, onOpened, onClosed }: ConnectionEvents,
): Connection {
  const server = postgresServer(options.url)
  const sockets = createSockets(server, CONNECT_SECONDS * 1000)
  const settings = {
    ...postgresJsOptions(server),
    max: 1,
    // postgres.js does not declare this option. The semaphore keeps to the depth; a pipeline that postgres.js believes to be full
    // takes no statement until it has drained.
    max_pipeline: 1000,
    prepare: options.prepare,
    // Saves a query for each connection: the array types that the statements use are known (see type-parsers.ts).
    fetch_types: false,
    ...(options.idleSeconds !== undefined && { idle_timeout: options.idleSeconds }),
    // Up to a tenth earlier, so that connections that were opened together do not close together.
    max_lifetime: Math.round(options.lifetimeSeconds * (1 - Math.random() / 10)),
    // From the start message on; the socket and TLS have the same limit.
    connect_timeout: CONNECT_SECONDS,
    // The default pauses for up to 20 s after failures; a database that returns must be found within a second.
    backoff: (failures: number) => (sockets.isEnded() ? 0 : Math.min(0.05 * failures, 1)),
    types: TYPE_PARSERS,
    connection: { application_name: applicationName(server, options.applicationName) },
    onnotice: () => {},
    // The server reports its parameters after the login.
    onparameter: () => onOpened(connection),
    onclose: () => onClosed(connection),
    socket: sockets.open,
  }
  const client = withoutLibpqVariables(() => postgres(settings as never)) as unknown as Connection['client']
  turnOffDriverRetry(client)
  const watch = watchdog.watch(() => onSilent(connection))
  let lost: unknown

  async function end(seconds: number): Promise<void> {
    await client.end({ timeout: seconds })
    watch.end()
    sockets.end()
  }

  const connection: Connection = {
    client,
    watch,
    get lost() {
      return lost
    },
    open: sockets.count,
    end,
    destroy(reason) {
      lost ??= reason
      sockets.end()
      return end(0)
    },
  }
  return connection
}

/** The URL's `application_name` replaces the name of the service; the name of the pool is kept. */
function applicationName(server: PostgresServer, name: string): string {
  if (server.applicationName === undefined) return name
  return [server.applicationName, ...name.split(' ').slice(1)].join(' ')
}
