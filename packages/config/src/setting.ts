import { createPrivateKey, X509Certificate } from 'node:crypto'
import { postgresServer, UrlError } from '@reference/postgres'
import { type Static, type TSchema, Type } from 'typebox'

/** What a service is for its settings. The application defines its services; this package knows none. */
export interface ServiceDefinition {
  readonly name: string
  /** Defaults that differ between services. */
  readonly defaults: {
    readonly PORT: number
    readonly DB_POOL_MAX: number
    readonly UPSTREAM_URL?: string
  }
  /** Names of settings that only this service reads. */
  readonly ownSettings?: readonly string[]
}

/** The purpose of a tuning switch: its benchmark scenario, and its value in an untuned application. */
export interface Tuning {
  /** Benchmark scenario that shows its effect, as in `pnpm bench <scenario>`. */
  readonly scenario: string
  /** The value of an application without this tuning, as text of the environment. */
  readonly naive: string
}

/** A row of the settings table: how a variable is read, checked, documented and benchmarked. */
export interface Setting<Schema extends TSchema = TSchema, Fallback = unknown> {
  /** The effect of the setting, one sentence. */
  readonly description: string
  /** Unit of a number: `ms`, `s`, `bytes`, `connections`, `threads` … */
  readonly unit?: string
  /** Never printed, not even in a fault. */
  readonly secret?: boolean
  readonly tuning?: Tuning
  /** Shape of the value after `read`. */
  readonly schema: Schema
  /** Used when the variable is absent; a function where it depends on the service. */
  readonly fallback: Fallback
  /** Converts the text of the variable for `schema`. Invalid text is returned unchanged and fails the schema. */
  readonly read: (text: string) => unknown
  /** The accepted values, for faults and docs. */
  readonly expects: string
  /** The reason why text is wrong, for values with several possible reasons. Never contains the value of a secret. */
  readonly faultOf?: (text: string) => string | undefined
}

export type ValueOf<Row> =
  Row extends Setting<infer Schema, infer Fallback>
    ? Static<Schema> | (undefined extends Fallback ? undefined : never)
    : never

type Described<Fallback> = Pick<Setting, 'description' | 'unit' | 'secret' | 'tuning'> & {
  readonly fallback: Fallback | ((service: ServiceDefinition) => Fallback)
}

type Row<Schema extends TSchema, Fallback> = Setting<
  Schema,
  Fallback | ((service: ServiceDefinition) => Fallback)
>

/** `on` or `off`. */
export function onOff<Fallback extends boolean | undefined>(row: Described<Fallback>) {
  const read = (text: string) => (text === 'on' ? true : text === 'off' ? false : text)
  return { ...row, schema: Type.Boolean(), read, expects: 'on or off' } satisfies Row<TSchema, Fallback>
}

/** A decimal integer between `minimum` and `maximum`, both included. */
export function integer<Fallback extends number | undefined>(
  row: Described<Fallback> & { readonly minimum: number; readonly maximum: number },
) {
  const { minimum, maximum, ...described } = row
  return {
    ...described,
    schema: Type.Integer({ minimum, maximum }),
    read: (text: string) => (/^-?\d{1,15}$/.test(text) ? Number(text) : text),
    expects: `an integer from ${minimum} to ${maximum}`,
  } satisfies Row<TSchema, Fallback>
}

/** One of a few words. */
export function oneOf<const Word extends string, Fallback extends Word | undefined>(
  words: readonly Word[],
  row: Described<Fallback>,
) {
  const schema = Type.Unsafe<Word>(Type.String({ enum: [...words] }))
  return { ...row, schema, read: (text: string) => text, expects: words.join(', ') } satisfies Row<
    TSchema,
    Fallback
  >
}

/**
 * A URL with a host and one of the given protocols (`postgres:` …).
 *
 * @param row.path the accepted paths; any path unless given
 */
export function url<Fallback extends string | undefined>(
  protocols: readonly string[],
  { path = /^/, ...row }: Described<Fallback> & { readonly path?: RegExp },
) {
  const fits = (text: string) => {
    const parsed = URL.parse(text)
    if (parsed === null || parsed.hostname === '' || !protocols.includes(parsed.protocol)) return false
    return (
      [parsed.username, parsed.password, parsed.pathname].every(isDecodable) && path.test(parsed.pathname)
    )
  }
  const schema = Type.Refine(Type.String(), fits)
  const expects = `a URL with ${protocols.map((p) => `${p}//`).join(' or ')} and a host`
  return { ...row, schema, read: (text: string) => text, expects } satisfies Row<TSchema, Fallback>
}

/** The URL of a Postgres, checked by the parser of the connections: parameters, values and certificate files too. */
export function postgresUrl<Fallback extends string | undefined>(row: Described<Fallback>) {
  return {
    ...row,
    schema: Type.String(),
    read: (text: string) => text,
    expects: 'a URL with postgres:// or postgresql:// and a host',
    faultOf(text: string) {
      try {
        postgresServer(text)
        return undefined
      } catch (error) {
        if (!(error instanceof UrlError)) throw error
        return error.message
      }
    },
  } satisfies Row<TSchema, Fallback>
}

/** Text that matches a pattern. */
export function text<Fallback extends string | undefined>(
  pattern: RegExp,
  expects: string,
  row: Described<Fallback>,
) {
  const schema = Type.String({ pattern: pattern.source })
  return { ...row, schema, read: (value: string) => value, expects } satisfies Row<TSchema, Fallback>
}

/** Certificates or a private key in PEM. Text around the blocks is allowed, as in files of openssl. */
export function pem<Fallback extends string | undefined>(
  kind: 'certificate' | 'private key',
  row: Described<Fallback>,
) {
  const block = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g
  const isReadable = (text: string) => {
    try {
      if (kind === 'private key') return createPrivateKey(text).type === 'private'
      const certificates = (text.match(block) ?? []).map((each) => new X509Certificate(each))
      return certificates.length > 0
    } catch {
      return false
    }
  }
  const expects = kind === 'certificate' ? 'certificates in PEM' : 'a private key in PEM without a passphrase'
  return {
    ...row,
    schema: Type.Refine(Type.String(), isReadable),
    read: (text: string) => text,
    expects,
  } satisfies Row<TSchema, Fallback>
}

/** A comma-separated list; `readItem` reads each item. */
export function list<Item extends TSchema, Fallback extends Static<Item>[] | undefined>(
  item: Item,
  readItem: (text: string) => unknown,
  expects: string,
  row: Described<Fallback>,
) {
  return {
    ...row,
    schema: Type.Array(item, { minItems: 1 }),
    read: (value: string) => value.split(',').map((part) => readItem(part.trim())),
    expects,
  } satisfies Row<TSchema, Fallback>
}

/** Drivers decode the parts of a URL. A part that cannot be decoded would fail at each connection instead of at the start. */
function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}
