/** libpq's names for the degrees of encryption and of verification of the server. */
export const SSL_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const
export type SslMode = (typeof SSL_MODES)[number]

export interface TlsSettings {
  readonly mode: SslMode
  /** `direct`: TLS from the first byte, without a request to the server before it (Postgres 17). */
  readonly negotiation: 'postgres' | 'direct'
  /** Which part of the certificate is verified; `require` with a root certificate verifies the chain, as in libpq. */
  readonly verify: 'nothing' | 'chain' | 'chain and name'
  /** Root certificates in PEM; undefined: the roots of Node and of this machine. */
  readonly roots: string | undefined
  readonly certificate: string | undefined
  readonly key: string | undefined
  readonly passphrase: string | undefined
  /** Whether the handshake contains the host name (SNI), by which some providers find the database. */
  readonly serverName: boolean
  readonly minVersion: TlsVersion | undefined
  readonly maxVersion: TlsVersion | undefined
}

export const TLS_VERSIONS = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const
export type TlsVersion = (typeof TLS_VERSIONS)[number]

/** The content of a URL, checked: where a Postgres is and how to connect to it. Both drivers receive this and never a URL. */
export interface PostgresServer {
  /** The name that TLS verifies; with `socketPath` the folder of the socket. */
  readonly host: string
  /** The IP address to connect to instead of `host`. */
  readonly address: string | undefined
  readonly port: number
  readonly socketPath: string | undefined
  readonly user: string
  readonly password: string
  readonly database: string
  readonly tls: TlsSettings
  readonly channelBinding: 'disable' | 'prefer' | 'require'
  /** Replaces the name of the service; the name of the pool is added in both cases. */
  readonly applicationName: string | undefined
  /** Sent to the server unchanged, as libpq's `options`. */
  readonly options: string | undefined
  /** 0: no limit. */
  readonly connectTimeoutSeconds: number | undefined
  /** Idle seconds before the first probe; 0 turns keepalive off. */
  readonly keepAliveSeconds: number
}
