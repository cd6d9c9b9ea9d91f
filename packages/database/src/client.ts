import { openConnection, postgresJsOptions, postgresServer, withoutLibpqVariables } from '@reference/postgres'
import postgres from 'postgres'
import { refusedSocket } from './connection.ts'
import { translate } from './errors.ts'

const CONNECT_SECONDS = 10

/** One connection for a command, opened as those of the services are, with the same settings of its session. */
export function createClient(url: string, applicationName: string): postgres.Sql {
  const server = postgresServer(url)
  const settings = {
    ...postgresJsOptions(server),
    max: 1,
    fetch_types: false,
    connect_timeout: CONNECT_SECONDS,
    onnotice: () => {},
    connection: { application_name: applicationName },
    async socket(options: { connection: Record<string, string> }) {
      try {
        const { socket, startParameters } = await openConnection(server, {
          timeoutMs: CONNECT_SECONDS * 1000,
        })
        Object.assign(options.connection, startParameters)
        return socket
      } catch (error) {
        return refusedSocket(error as Error)
      }
    },
  }
  return withoutLibpqVariables(() => postgres(settings as never))
}

/**
 * Opens a connection for the time of `use`.
 *
 * @throws what `use` throws; errors of Postgres and of its connection as `DatabaseError`
 */
export async function withClient<T>(
  url: string,
  applicationName: string,
  use: (client: postgres.Sql) => Promise<T>,
): Promise<T> {
  const client = createClient(url, applicationName)
  try {
    return await use(client)
  } catch (error) {
    throw translate(error)
  } finally {
    await client.end()
  }
}
