import type { Client, ClientBase, ClientConfig } from 'pg'
import type { OpenedConnection } from './open.ts'
import { withoutLibpqVariables } from './postgres-js.ts'
import type { PostgresServer } from './server.ts'
import { PostgresStream } from './stream.ts'

type Open = () => Promise<OpenedConnection>

/** A stream of node-postgres that also holds the parameters of the start message. */
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

/** The options of node-postgres that replace a URL; `open` opens each connection. */
export function nodePostgresOptions(server: PostgresServer, open: Open): ClientConfig {
  return {
    host: server.host,
    port: server.port,
    user: server.user,
    // A function: node-postgres replaces an empty text by PGPASSWORD or from ~/.pgpass.
    password: () => server.password,
    database: server.database,
    // `openConnection` has set up TLS already.
    ssl: false,
    stream: (() => new SessionStream(open)) as unknown as NonNullable<ClientConfig['stream']>,
  }
}

/**
 * Makes clients of node-postgres whose sessions start with the same settings as those of postgres.js. A function instead of a
 * subclass, because the constructor of a client reads the environment.
 */
export function nodePostgresClient(driver: { Client: typeof Client }): new () => ClientBase {
  function SessionClient(config: ClientConfig): Client {
    const client = withoutLibpqVariables(() => new driver.Client(config))
    const { connection, connectionParameters } = client as unknown as Internals
    return Object.assign(client, {
      // `connect` calls this when the stream is connected. node-postgres adds the encoding itself.
      getStartupConf() {
        const { client_encoding: _, ...settings } = connection.stream.startParameters
        const { user, database, application_name } = connectionParameters
        return { user, database, application_name, ...settings }
      },
    })
  }
  return SessionClient as unknown as new () => ClientBase
}

/** Properties that node-postgres does not declare. */
interface Internals {
  readonly connection: { readonly stream: SessionStream }
  readonly connectionParameters: Record<'user' | 'database' | 'application_name', string>
}
