import { postgresServer, UrlError } from '@reference/postgres'
import { type Static, type TSchema, Type } from 'typebox'

/** What a service is for its settings. The application defines its services; this package knows none. */
export interface ServiceDefinition {
  readonly name: string
  /** Defaults that differ between services. */
  readonly defaults: { readonly PORT: number; readonly DB_POOL_MAX: number }
  /** Names of settings that only this service reads. */
  readonly ownSettings?: readonly string[]
}

/** What a switch is for: where the guide speaks of it, where the benchmark shows it, and what an untuned app would have. */
export interface Tuning {
  /** Heading of the performance tuning guide that the switch carries over. */
  readonly section: string
  /** Benchmark scenario in which the switch matters, as `pnpm bench <scenario>` names it. */
  readonly scenario: string
  /** The value that an app without this tuning would run with, in the form that the environment takes. */
  readonly naive: string
}

/** One row of the settings table: how a variable is read, checked, documented and benchmarked. */
export interface Setting<Schema extends TSchema = TSchema, Fallback = unknown> {
  /** What the setting does, one sentence. */
  readonly description: string
  /** Unit of a number: `ms`, `s`, `bytes`, `connections`, `threads` … */
  readonly unit?: string
  /** Never printed, not even in a fault. */
  readonly secret?: boolean
  readonly tuning?: Tuning
  /** Shape of the value once it is read from its text. */
  readonly schema: Schema
  /** Used when the variable is absent; a function where it depends on the service. */
  readonly fallback: Fallback
  /** Text of the variable → value for `schema`; text that it cannot read is returned as it is and fails the schema. */
  readonly read: (text: string) => unknown
  /** What a reader may put there, for faults and docs. */
  readonly expects: string
  /** What is wrong with text that `schema` would take, where that is more than one thing; never the value of a secret. */
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
 * @param row.path what may stand behind the host; anything unless given
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

/** The URL of a Postgres, read as the drivers' connections will read it: parameters, values and files of certificates too. */
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

/** Free text that fits a pattern. */
export function text<Fallback extends string | undefined>(
  pattern: RegExp,
  expects: string,
  row: Described<Fallback>,
) {
  const schema = Type.String({ pattern: pattern.source })
  return { ...row, schema, read: (value: string) => value, expects } satisfies Row<TSchema, Fallback>
}

/** A comma-separated list whose items are read one by one; an item that `readItem` cannot read fails. */
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

/** Drivers decode what a URL holds; what they cannot decode would fail at each connection instead of at the start. */
function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}
