import type { Client, ClientBase, ClientConfig } from 'pg'
import type { OpenedConnection } from './open.ts'
import { withoutLibpqVariables } from './postgres-js.ts'
import type { PostgresServer } from './server.ts'
import { PostgresStream } from './stream.ts'

type Open = () => Promise<OpenedConnection>

/** A stream of node-postgres that also knows what its session starts with. */
class SessionStream extends PostgresStream {
  startParameters: Readonly<Record<string, string>> = {}

  constructor(open: Open) {
    super(async () => {
      const { socket, startParameters } = await open()
      this.startParameters = startParameters
      return socket
    })
  }
}

/** What node-postgres is given instead of a URL; each connection is opened by `open`. */
export function nodePostgresOptions(server: PostgresServer, open: Open): ClientConfig {
  return {
    host: server.host,
    port: server.port,
    user: server.user,
    // Not the text: an empty one would be looked for in PGPASSWORD and ~/.pgpass.
    password: () => server.password,
    database: server.database,
    // The connection comes with TLS, see `openConnection`.
    ssl: false,
    stream: (() => new SessionStream(open)) as unknown as NonNullable<ClientConfig['stream']>,
  }
}

/**
 * Makes clients of node-postgres whose session starts with the same settings as that of postgres.js. A function instead of
 * a subclass, since a client reads the environment while it is constructed.
 */
export function nodePostgresClient(driver: { Client: typeof Client }): new () => ClientBase {
  function SessionClient(config: ClientConfig): Client {
    const client = withoutLibpqVariables(() => new driver.Client(config))
    const { connection, connectionParameters } = client as unknown as Internals
    return Object.assign(client, {
      // Called by `connect` when the stream is there. The encoding is added by node-postgres itself.
      getStartupConf() {
        const { client_encoding: _, ...settings } = connection.stream.startParameters
        const { user, database, application_name } = connectionParameters
        return { user, database, application_name, ...settings }
      },
    })
  }
  return SessionClient as unknown as new () => ClientBase
}

/** What node-postgres does not declare. */
interface Internals {
  readonly connection: { readonly stream: SessionStream }
  readonly connectionParameters: Record<'user' | 'database' | 'application_name', string>
}
