import type { Duplex } from 'node:stream'
import {
  ConnectError,
  isReachable,
  openConnection,
  type PostgresServer,
  postgresJsOptions,
  postgresServer,
  withoutLibpqVariables,
} from '@reference/postgres'
import postgres from 'postgres'
import { translate } from './errors.ts'
import { failingSocket, type StartOptions } from './sockets.ts'

const CONNECT_SECONDS = 10

/** How often a server that may work on a long statement is asked whether it still answers, and how long it may take. */
const CHECK_MS = 5000

interface Client {
  readonly sql: postgres.Sql
  /** Ends at once. Statements in flight fail. */
  destroy(): void
}

function createClient(server: PostgresServer, applicationName: string): Client {
  const sockets: Duplex[] = []
  const settings = {
    ...postgresJsOptions(server),
    max: 1,
    fetch_types: false,
    connect_timeout: CONNECT_SECONDS,
    onnotice: () => {},
    connection: { application_name: applicationName },
    async socket(options: StartOptions) {
      try {
        const attempt = {
          timeoutMs: CONNECT_SECONDS * 1000,
          onSocket: (socket: Duplex) => sockets.push(socket),
        }
        const { socket, startParameters } = await openConnection(server, attempt)
        Object.assign(options.connection, startParameters)
        return socket
      } catch (error) {
        return failingSocket(error as Error)
      }
    },
  }
  const sql = withoutLibpqVariables(() => postgres(settings as never))
  return {
    sql,
    destroy() {
      for (const socket of sockets)
        socket.destroy(new ConnectError('ETIMEDOUT', 'The server answers no more'))
    },
  }
}

/**
 * Destroys the client when the server answers no new connection, twice in a row. A statement of a migration has no time limit, so
 * without this a command would wait for a server that is gone.
 */
function watchServer(server: PostgresServer, client: Client, checkMs: number): () => void {
  let misses = 0
  let isEnded = false
  const check = async () => {
    misses = (await isReachable(server, checkMs)) ? 0 : misses + 1
    if (misses >= 2 && !isEnded) client.destroy()
    else if (!isEnded) timer = setTimeout(check, checkMs)
  }
  let timer = setTimeout(check, checkMs)
  return () => {
    isEnded = true
    clearTimeout(timer)
  }
}

/**
 * Opens a connection for the duration of `use`, with the session settings of the services. A server that answers no more fails the
 * statement in flight within 25 s.
 *
 * @throws what `use` throws; errors of Postgres and of its connection as `DatabaseError`
 */
export async function withClient<T>(
  url: string,
  applicationName: string,
  use: (client: postgres.Sql) => Promise<T>,
  checkMs = CHECK_MS,
): Promise<T> {
  const server = postgresServer(url)
  const client = createClient(server, applicationName)
  const endWatch = watchServer(server, client, checkMs)
  try {
    return await use(client.sql)
  } catch (error) {
    throw translate(error)
  } finally {
    endWatch()
    await client.sql.end({ timeout: checkMs / 1000 })
    client.destroy()
  }
}
