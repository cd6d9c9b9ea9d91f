/** libpq's words for how far a connection is encrypted and the server verified. */
export const sslModes = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const
export type SslMode = (typeof sslModes)[number]

export interface TlsSettings {
  readonly mode: SslMode
  /** `direct`: TLS from the first byte, without asking the server before (Postgres 17). */
  readonly negotiation: 'postgres' | 'direct'
  /** What of the certificate is verified; `require` with a root certificate verifies the chain, as libpq does. */
  readonly verify: 'nothing' | 'chain' | 'chain and name'
  /** Roots in PEM; undefined: those of Node and of this machine. */
  readonly roots: string | undefined
  readonly certificate: string | undefined
  readonly key: string | undefined
  readonly passphrase: string | undefined
  /** Whether the host name is sent in the handshake (SNI), by which some providers find the database. */
  readonly serverName: boolean
  readonly minVersion: TlsVersion | undefined
  readonly maxVersion: TlsVersion | undefined
}

export const tlsVersions = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const
export type TlsVersion = (typeof tlsVersions)[number]

/** Where a Postgres is and how it is reached: all that a URL says, checked. Both drivers are given this and never a URL. */
export interface PostgresServer {
  /** The name that TLS verifies; the folder of the socket where `socketPath` is set. */
  readonly host: string
  /** Where to connect if not at `host`. */
  readonly address: string | undefined
  readonly port: number
  readonly socketPath: string | undefined
  readonly user: string
  readonly password: string
  readonly database: string
  readonly tls: TlsSettings
  readonly channelBinding: 'disable' | 'prefer' | 'require'
  /** Instead of the name of the service; the name of the pool is added either way. */
  readonly applicationName: string | undefined
  /** Sent to the server as they are, as libpq's `options`. */
  readonly options: string | undefined
  /** 0 waits without a limit. */
  readonly connectTimeoutSeconds: number | undefined
  /** Idle seconds before the first probe; 0 turns keepalive off. */
  readonly keepAliveSeconds: number
}
