import { openConnection, postgresJsOptions, postgresServer, withoutLibpqVariables } from '@reference/postgres'
import postgres from 'postgres'
import { translate } from './errors.ts'
import { failingSocket, type StartOptions } from './sockets.ts'

const CONNECT_SECONDS = 10

function createClient(url: string, applicationName: string): postgres.Sql {
  const server = postgresServer(url)
  const settings = {
    ...postgresJsOptions(server),
    max: 1,
    fetch_types: false,
    connect_timeout: CONNECT_SECONDS,
    onnotice: () => {},
    connection: { application_name: applicationName },
    async socket(options: StartOptions) {
      try {
        const attempt = { timeoutMs: CONNECT_SECONDS * 1000 }
        const { socket, startParameters } = await openConnection(server, attempt)
        Object.assign(options.connection, startParameters)
        return socket
      } catch (error) {
        return failingSocket(error as Error)
      }
    },
  }
  return withoutLibpqVariables(() => postgres(settings as never))
}

/**
 * Opens a connection for the duration of `use`, with the session settings of the services.
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
